"""What a broker of a development cluster is told: Kafka's defaults, except where a line below says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

HOST = "127.0.0.1"


class NodeAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node and the two ports it listens on: ``port`` for clients and brokers, ``controller_port`` for the quorum."""

    id: int
    port: int
    controller_port: int


def node_properties(
    node: NodeAddress, nodes: Sequence[NodeAddress], *, data: Path, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Settings of ``node`` in a cluster of ``nodes``; ``overrides`` win."""
    copies = min(len(nodes), 3)
    enough = max(copies - 1, 1)
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.id),
        "controller.quorum.voters": ",".join(f"{each.id}@{HOST}:{each.controller_port}" for each in nodes),
        "listeners": f"PLAINTEXT://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{node.port}",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(data),
        # What callfold's log relies on: nothing comes into being by a typing error, nothing acknowledged is given up.
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(enough),
        # Kafka's own topics default to three copies and fifty partitions, which one broker cannot hold
        # and a machine for developing does not need.
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(enough),
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(enough),
        "share.coordinator.state.topic.num.partitions": "4",
        # A killed or paused broker is noticed after 4 s instead of 9: drills wait for it.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        # A leader takes a copy back among those in sync by asking the controller. Where that was frozen together with
        # the leader before, it would wait 30 s for it, and until then too few copies are in sync for any write.
        "controller.socket.timeout.ms": "3000",
        # Consumers need not wait for others who might join their group.
        "group.initial.rebalance.delay.ms": "0",
        # A small heap: the cleaner alone would take 128 MB of it.
        "log.cleaner.dedupe.buffer.size": str(4 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "group.coordinator.threads": "1",
        "background.threads": "4",
        **overrides,
    }


def rendered(properties: Mapping[str, str]) -> str:
    """As a Java properties file, whose only special character in our values is the backslash."""
    escaped = ((name, value.replace("\\", "\\\\")) for name, value in properties.items())
    return "".join(f"{name}={value}\n" for name, value in escaped)

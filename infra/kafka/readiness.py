"""Waiting until brokers serve: the cluster's metadata must show them, alive and not fenced off."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from infra.kafka.configuration import HOST, NodeAddress
from infra.kafka.errors import NodeFailed, PortTaken
from infra.kafka.node import NodeFolder
from infra.kafka.processes import Process
from streams.kafka.access import OPEN, KafkaAccess

_BETWEEN_LOOKS_S = 0.03
_ONE_ANSWER_MS = 5_000
_PORT_TAKEN = "Address already in use"


@dataclass(frozen=True, slots=True)
class Starting:
    """A broker that was started and is expected to serve."""

    address: NodeAddress
    process: Process
    folder: NodeFolder


def await_ready(starting: Sequence[Starting], *, seconds: float, access: KafkaAccess = OPEN) -> None:
    """Return when every one of these brokers serves. Raises ``NodeFailed`` or ``PortTaken`` for one that cannot."""
    deadline = time.monotonic() + seconds
    for broker in starting:
        while not _listens(broker.address.port):
            _wait_a_little(broker, starting, deadline, seconds)
    for broker in starting:
        while broker.address.id not in _serving([each.address for each in starting], access):
            _wait_a_little(broker, starting, deadline, seconds)


def _wait_a_little(awaited: Starting, starting: Sequence[Starting], deadline: float, seconds: float) -> None:
    for broker in starting:
        if broker.process.wait(_BETWEEN_LOOKS_S if broker is awaited else 0):
            number, log = broker.address.id, broker.folder.log
            if _PORT_TAKEN in log.read_text(errors="replace"):
                raise PortTaken(
                    f"broker {number} found port {broker.address.port} or {broker.address.controller_port} taken; "
                    f"end what listens there or start the cluster in another folder (its log is {log})"
                )
            raise NodeFailed(
                f"broker {number} ended while it started; the end of its log {log}:\n{broker.folder.last_words()}"
            )
    if time.monotonic() > deadline:
        raise NodeFailed(
            f"broker {awaited.address.id} did not serve within {seconds:.0f} s; the end of its log "
            f"{awaited.folder.log}:\n{awaited.folder.last_words()}"
        )


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _serving(addresses: Sequence[NodeAddress], access: KafkaAccess) -> set[int]:
    """Numbers of the brokers that the cluster's metadata shows as usable; none when it does not answer."""
    from kafka.admin import KafkaAdminClient  # takes longer to import than most commands to run
    from kafka.errors import KafkaError

    servers = [f"{HOST}:{address.port}" for address in addresses]
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=servers,
            bootstrap_timeout_ms=_ONE_ANSWER_MS,
            request_timeout_ms=_ONE_ANSWER_MS,
            **access.options(),
        )
    except KafkaError:
        return set()
    with contextlib.closing(admin):
        try:
            brokers = admin.describe_cluster()["brokers"]
        except KafkaError:
            return set()
    return {broker["broker_id"] for broker in brokers if not broker["is_fenced"]}

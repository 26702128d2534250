"""A look at a cluster that changes nothing: does it answer, and could it hold the log."""

from __future__ import annotations

import msgspec
from kafka.errors import KafkaError

from streams.kafka.clients import admin, check_packages
from streams.kafka.connecting import unreachable
from streams.kafka.location import KafkaLocation
from streams.kafka.rules import check_brokers, check_version


class Survey(msgspec.Struct, frozen=True):
    """``version`` is what the brokers say of themselves; ``brokers`` are those that serve now."""

    cluster_id: str
    brokers: int
    version: str


def survey(location: KafkaLocation, *, replication: int) -> Survey:
    """Ask the brokers. Raises ``UnfitCluster`` where none answers, or where they could not keep the log's promises."""
    check_packages()
    with admin(location) as client:
        try:
            version = client._manager.broker_version
            check_version(version)
            cluster = client.describe_cluster()
        except KafkaError as problem:
            raise unreachable(location, problem) from problem
        brokers = sum(not broker.get("is_fenced") for broker in cluster["brokers"])
        check_brokers(brokers, replication)
        return Survey(cluster["cluster_id"], brokers, ".".join(map(str, version)))

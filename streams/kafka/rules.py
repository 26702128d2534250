"""What a topic must be for the log's promises to hold on it: pure checks of facts that brokers report.

An acknowledgement has to mean that the record survives the loss of a broker, that no reader ever finds it gone or
replaced, and that its place in its partition is final. Each rule below names the setting that would break this.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from streams.kafka.clients import MAX_RECORD_BYTES
from streams.kafka.unfit import UnfitCluster

OLDEST_BROKER = (3, 3)
"""First version that reports topic ids and the free space of its disks, both of which are checked."""

LEAST_RETENTION = timedelta(days=7)
"""A node that was away for less finds everything it missed."""

MEDIA_RETENTION = timedelta(days=7)
LEASES_RETENTION = timedelta(hours=1)
"""Heartbeats mean something for seconds; the rest is for people who look into what happened."""
MEDIA_PARTITIONS = 12
LIVE_SEGMENT = timedelta(minutes=10)
"""Live figures change every second; only what is older than a segment is compacted, and a reader reads all of it."""

LEAST_FREE_BYTES = 256 * 1024 * 1024
"""Free space below which a broker's disk, or a node's own, counts as full."""

SAFE_REPLICATION = 3

_FOREVER = -1
_MILLISECOND = timedelta(milliseconds=1)


class TopicRules(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` without prefix. ``partitions`` as it is made; held to that number only where it is ``fixed``.

    ``table_over`` names the topic whose records the table counts that is kept here: both have as many partitions.
    ``segment`` bounds how long records that later ones replace are kept, where that would be many.
    """

    name: str
    partitions: int
    fixed: bool
    cleanup: str
    retention: timedelta | None
    least_retention: timedelta | None = None
    segment: timedelta | None = None
    table_over: str = ""

    def settings(self, replication: int) -> dict[str, str]:
        """The settings a missing topic is made with."""
        retention = _FOREVER if self.retention is None else self.retention // _MILLISECOND
        compaction = {}
        if self.segment is not None:
            segment_ms = str(self.segment // _MILLISECOND)
            compaction = {
                "segment.ms": segment_ms,
                "delete.retention.ms": segment_ms,
                "min.cleanable.dirty.ratio": "0.1",
            }
        return {
            **compaction,
            "cleanup.policy": self.cleanup,
            "retention.ms": str(retention),
            "retention.bytes": str(_FOREVER),
            "min.insync.replicas": str(least_insync(replication)),
            "unclean.leader.election.enable": "false",
            "max.message.bytes": str(MAX_RECORD_BYTES),
            # A writer's wrong clock must neither get its records refused nor make them expire early.
            "message.timestamp.type": "LogAppendTime",
        }


class TopicFacts(msgspec.Struct, frozen=True):
    """A topic as the brokers describe it; ``replicas`` holds the number of copies of each partition."""

    topic: str
    topic_id: str
    replicas: tuple[int, ...]
    settings: Mapping[str, str]


def topic_rules(shards: int, least_retention: timedelta) -> tuple[TopicRules, ...]:
    """The topics of an installation: the commits, the fragments, the signed checkpoints, the heartbeats, what
    processors could not take, and the live figures."""
    return (
        TopicRules(
            name="log",
            partitions=shards,
            fixed=True,
            cleanup="delete",
            retention=None,
            least_retention=least_retention,
        ),
        TopicRules(name="media", partitions=MEDIA_PARTITIONS, fixed=False, cleanup="delete", retention=MEDIA_RETENTION),
        TopicRules(name="heads", partitions=1, fixed=False, cleanup="compact", retention=None),
        # One partition: whether somebody was silent is judged by the order of everybody's heartbeats.
        TopicRules(name="leases", partitions=1, fixed=False, cleanup="delete", retention=LEASES_RETENTION),
        # One partition: letters are few, and who shows them wants them all.
        TopicRules(name="dead", partitions=1, fixed=False, cleanup="compact", retention=None),
        # The changelog of a table has the partitions of what is counted.
        TopicRules(name="live", partitions=shards, fixed=True, cleanup="compact", retention=None, segment=LIVE_SEGMENT),
        TopicRules(
            name="live-media",
            partitions=MEDIA_PARTITIONS,
            fixed=False,
            cleanup="compact",
            retention=None,
            segment=LIVE_SEGMENT,
            table_over="media",
        ),
    )


def least_insync(replication: int) -> int:
    """Copies that must have a record before it counts as written: two, wherever there is more than one."""
    return min(2, replication)


def check_topic(rules: TopicRules, facts: TopicFacts, replication: int) -> None:
    """Refuse a topic on which an acknowledged record could be lost, replaced or moved. Raises ``UnfitCluster``."""
    _check_partitions(rules, facts)
    _check_copies(facts, replication)
    _check_cleanup(rules, facts)
    largest = _number(facts, "max.message.bytes")
    if largest < MAX_RECORD_BYTES:
        raise _unfit(
            facts,
            f"takes records of at most {largest} bytes, and callfold writes up to {MAX_RECORD_BYTES}",
            f"max.message.bytes={MAX_RECORD_BYTES}",
        )


def check_table(table: TopicFacts, counted: TopicFacts) -> None:
    """Refuse the topic of a table that has not the partitions of what it counts: Faust keeps what comes from one
    partition in the partition of the same number. Raises ``UnfitCluster``.
    """
    has, wanted = len(table.replicas), len(counted.replicas)
    if has == wanted:
        return
    fewer, number = (table, wanted) if has < wanted else (counted, has)
    raise UnfitCluster(
        f"topic {table.topic} has {has} partitions, and {counted.topic}, whose records are counted in it, has "
        f"{wanted}; make them equal with: kafka-topics --alter --topic {fewer.topic} --partitions {number}"
    )


def check_brokers(count: int, replication: int) -> None:
    """Refuse a cluster too small for the copies that are asked for. Raises ``UnfitCluster``."""
    if count < replication:
        raise UnfitCluster(
            f"the cluster has {count} broker{'s' if count > 1 else ''}, and every record is to be kept on "
            f"{replication}; add brokers, or for development only set CALLFOLD_KAFKA_REPLICATION=1"
        )


def check_version(version: tuple[int, ...]) -> None:
    """Refuse brokers that cannot report what has to be checked. Raises ``UnfitCluster``."""
    if version < OLDEST_BROKER:
        raise UnfitCluster(
            f"the brokers run Kafka {_dotted(version)}, and the log needs {_dotted(OLDEST_BROKER)} or newer; "
            "upgrade them"
        )


def check_disk(place: str, free_bytes: int, least_bytes: int) -> None:
    """Refuse a disk on which the next records might not fit. Raises ``UnfitCluster`` with ``full``."""
    if free_bytes < least_bytes:
        raise UnfitCluster(
            f"the disk of {place} is full: {free_bytes // 2**20} MiB are free and {least_bytes // 2**20} MiB are "
            "needed to start; free space there, or move the folder to a larger disk",
            full=True,
        )


def _check_partitions(rules: TopicRules, facts: TopicFacts) -> None:
    count = len(facts.replicas)
    if not rules.fixed or count == rules.partitions:
        return
    fix = f"set CALLFOLD_KAFKA_SHARDS={count} on every node"
    if count < rules.partitions:
        fix += f", or add shards for new organisations with: kafka-topics --alter --topic {facts.topic} --partitions "
        fix += str(rules.partitions)
    has = "1 partition" if count == 1 else f"{count} partitions"
    raise UnfitCluster(f"topic {facts.topic} has {has}, and CALLFOLD_KAFKA_SHARDS says {rules.partitions}; {fix}")


def _check_copies(facts: TopicFacts, replication: int) -> None:
    copies = min(facts.replicas)
    if copies < replication:
        kept = "one broker" if copies == 1 else f"{copies} brokers"
        raise UnfitCluster(
            f"topic {facts.topic} keeps its records on {kept} only, and {replication} are asked for; raise its "
            "replication factor with kafka-reassign-partitions, or for development only set "
            f"CALLFOLD_KAFKA_REPLICATION={copies}"
        )
    insync, least = _number(facts, "min.insync.replicas"), least_insync(replication)
    if insync < least:
        raise _unfit(
            facts,
            f"acknowledges records that only {insync} broker has (min.insync.replicas={insync})",
            f"min.insync.replicas={least}",
        )
    if insync > copies:
        raise _unfit(
            facts,
            f"wants {insync} copies in sync and has only {copies}, so nothing can ever be written",
            f"min.insync.replicas={least}",
        )
    if facts.settings.get("unclean.leader.election.enable") != "false":
        raise _unfit(
            facts,
            "may elect a leader that lacks acknowledged records (unclean.leader.election.enable)",
            "unclean.leader.election.enable=false",
        )


def _check_cleanup(rules: TopicRules, facts: TopicFacts) -> None:
    cleanup = facts.settings.get("cleanup.policy", "")
    if cleanup != rules.cleanup:
        loses = "keeps every record" if rules.cleanup == "compact" else "removes records that the log needs"
        raise _unfit(facts, f"{loses} (cleanup.policy={cleanup})", f"cleanup.policy={rules.cleanup}")
    if rules.least_retention is None:
        return
    least = rules.least_retention // _MILLISECOND
    retention = _number(facts, "retention.ms")
    if retention != _FOREVER and retention < least:
        raise _unfit(
            facts,
            f"deletes records after {_hours(retention)}, and nodes may be away for {_hours(least)}",
            f"retention.ms={_FOREVER}",
        )
    size = _number(facts, "retention.bytes")
    if size != _FOREVER:
        raise _unfit(
            facts,
            f"deletes its oldest records beyond {size} bytes, however recent they are",
            f"retention.bytes={_FOREVER}",
        )


def _unfit(facts: TopicFacts, problem: str, setting: str) -> UnfitCluster:
    return UnfitCluster(
        f"topic {facts.topic} {problem}; correct it with: "
        f"kafka-configs --alter --topic {facts.topic} --add-config {setting}"
    )


def _number(facts: TopicFacts, setting: str) -> int:
    try:
        return int(facts.settings[setting])
    except (KeyError, ValueError):
        raise UnfitCluster(
            f"the brokers do not tell {setting} of topic {facts.topic}; allow this user to describe its configuration"
        ) from None


def _hours(milliseconds: int) -> str:
    return f"{milliseconds / 3_600_000:g} h"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))

"""Every rule of a topic: what breaks it is refused by its own sentence, and the sentence names the fix."""

from __future__ import annotations

from typing import Any

import pytest

from streams.kafka.identity import LogIdentity, check_identity
from streams.kafka.rules import (
    LEAST_RETENTION,
    TopicFacts,
    check_brokers,
    check_disk,
    check_table,
    check_topic,
    check_version,
    topic_rules,
)
from streams.kafka.unfit import UnfitCluster

RULES = topic_rules(2, LEAST_RETENTION)
LOG, MEDIA, HEADS = (next(rules for rules in RULES if rules.name == name) for name in ("log", "media", "heads"))


def facts(replicas: tuple[int, ...] = (3, 3), **changed: str) -> TopicFacts:
    """A log topic as callfold makes it, with some settings changed (``_`` for ``.``)."""
    settings = LOG.settings(3) | {name.replace("_", "."): value for name, value in changed.items()}
    return TopicFacts("callfold.log", "id", replicas, settings)


def refused(replication: int = 3, **changed: Any) -> str:
    with pytest.raises(UnfitCluster) as found:
        check_topic(LOG, facts(**changed), replication)
    return str(found.value)


@pytest.mark.parametrize("replication", [1, 2, 3, 5])
@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.name)
def test_a_topic_made_by_callfold_keeps_the_rules(rules: Any, replication: int) -> None:
    made = TopicFacts("t", "id", (replication,) * rules.partitions, rules.settings(replication))
    check_topic(rules, made, replication)
    assert made.settings["min.insync.replicas"] == ("1" if replication == 1 else "2")


@pytest.mark.parametrize(
    ("changed", "problem", "fix"),
    [
        ({"replicas": (3, 1)}, "keeps its records on one broker only", "CALLFOLD_KAFKA_REPLICATION=1"),
        ({"replicas": (2, 3)}, "keeps its records on 2 brokers only", "kafka-reassign-partitions"),
        ({"replicas": (3,)}, "has 1 partition, and CALLFOLD_KAFKA_SHARDS says 2", "kafka-topics --alter"),
        ({"replicas": (3, 3, 3)}, "has 3 partitions", "CALLFOLD_KAFKA_SHARDS=3"),
        ({"min_insync_replicas": "1"}, "that only 1 broker has", "min.insync.replicas=2"),
        ({"min_insync_replicas": "4"}, "nothing can ever be written", "min.insync.replicas=2"),
        ({"unclean_leader_election_enable": "true"}, "lacks acknowledged records", "election.enable=false"),
        ({"cleanup_policy": "compact"}, "removes records that the log needs", "cleanup.policy=delete"),
        ({"cleanup_policy": "compact,delete"}, "removes records that the log needs", "cleanup.policy=delete"),
        ({"retention_ms": "3600000"}, "deletes records after 1 h, and nodes may be away for 168 h", "retention.ms=-1"),
        ({"retention_bytes": "1000000"}, "beyond 1000000 bytes", "retention.bytes=-1"),
        ({"max_message_bytes": "1048588"}, "records of at most 1048588 bytes", "max.message.bytes=4194304"),
        ({"retention_ms": "?"}, "do not tell retention.ms", "allow this user to describe"),
    ],
)
def test_a_topic_that_could_lose_records_is_refused(changed: dict[str, Any], problem: str, fix: str) -> None:
    said = refused(**changed)
    assert "callfold.log" in said
    assert problem in said
    assert fix in said


def test_one_copy_is_accepted_where_it_is_asked_for() -> None:
    check_topic(LOG, facts((1, 1), min_insync_replicas="1"), replication=1)
    assert "min.insync.replicas=1" in refused(replicas=(1, 1), replication=1, min_insync_replicas="2")


def test_retention_that_outlasts_the_bound_is_accepted() -> None:
    check_topic(LOG, facts(retention_ms=str(7 * 24 * 3_600_000)), replication=3)
    assert "retention.ms" in refused(retention_ms=str(7 * 24 * 3_600_000 - 1))


def test_checkpoints_must_be_compacted() -> None:
    kept = TopicFacts("callfold.heads", "id", (3,), HEADS.settings(3) | {"cleanup.policy": "delete"})
    with pytest.raises(UnfitCluster, match=r"cleanup\.policy=compact"):
        check_topic(HEADS, kept, 3)


def test_fragments_may_have_any_number_of_partitions() -> None:
    check_topic(MEDIA, TopicFacts("callfold.media", "id", (3,) * 5, MEDIA.settings(3)), 3)
    assert MEDIA.partitions == 12


@pytest.mark.parametrize(
    ("table", "counted", "fix"),
    [(12, 24, "--topic callfold.live-media --partitions 24"), (12, 6, "--topic callfold.media --partitions 12")],
)
def test_a_table_has_the_partitions_of_what_it_counts(table: int, counted: int, fix: str) -> None:
    kept = TopicFacts("callfold.live-media", "id", (3,) * table, {})
    check_table(kept, TopicFacts("callfold.media", "id", (3,) * table, {}))
    media = TopicFacts("callfold.media", "id", (3,) * counted, {})
    with pytest.raises(
        UnfitCluster, match=r"callfold\.live-media has 12 partitions, and callfold\.media, whose"
    ) as found:
        check_table(kept, media)
    assert fix in str(found.value)


def test_too_few_brokers_are_refused() -> None:
    check_brokers(3, 3)
    with pytest.raises(UnfitCluster, match=r"has 1 broker, .*CALLFOLD_KAFKA_REPLICATION=1"):
        check_brokers(1, 3)


def test_old_brokers_are_refused() -> None:
    check_version((4, 3))
    with pytest.raises(UnfitCluster, match=r"run Kafka 2\.8, and the log needs 3\.3"):
        check_version((2, 8))


def test_a_full_disk_is_refused_and_marked_as_full() -> None:
    check_disk("broker 1 (/var/kafka)", 100, 100)
    with pytest.raises(UnfitCluster, match=r"the disk of broker 1 \(/var/kafka\) is full") as found:
        check_disk("broker 1 (/var/kafka)", 99, 100)
    assert found.value.full


def test_a_replica_of_another_log_is_refused() -> None:
    recorded = LogIdentity("cluster-a", "topic-1")
    check_identity(recorded, LogIdentity("cluster-a", "topic-1"), topic="callfold.log", replica="data/log-0.db")
    with pytest.raises(UnfitCluster, match="CALLFOLD_LOG names cluster other"):
        check_identity(recorded, LogIdentity("other", "topic-1"), topic="callfold.log", replica="data/log-0.db")
    with pytest.raises(UnfitCluster, match=r"callfold\.log was deleted and made again"):
        check_identity(recorded, LogIdentity("cluster-a", "topic-2"), topic="callfold.log", replica="data/log-0.db")

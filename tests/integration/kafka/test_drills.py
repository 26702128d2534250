"""What three brokers keep when leaders die or freeze, copies are too few, and an election is forced."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from infra.kafka.cluster import DevCluster
from tests.brokers import fresh_topic
from tests.integration.kafka.observing import NO_LEADER, Topic

pytestmark = pytest.mark.timeout(900)  # brokers notice the death of others after seconds, and start on a busy machine


@pytest.mark.long  # tests/chaos does the same to commits, in the default run
def test_acknowledged_records_survive_a_leader_killed_and_one_frozen(kafka_brokers: DevCluster) -> None:
    topic = Topic(kafka_brokers, fresh_topic("kept"))
    topic.create(copies_on=[1, 2, 3])
    topic.append(b"before")

    kafka_brokers.kill(1)
    second = topic.await_placement(lambda now: now.leader not in (1, NO_LEADER) and now.in_sync == {2, 3}).leader
    topic.append(b"without the first")
    kafka_brokers.restart(1)
    topic.await_placement(lambda now: now.in_sync == {1, 2, 3})

    kafka_brokers.pause(second)
    topic.await_placement(lambda now: now.leader not in (second, NO_LEADER) and second not in now.in_sync)
    topic.append(b"without the second")
    kafka_brokers.resume(second)
    topic.await_placement(lambda now: now.in_sync == {1, 2, 3})

    assert topic.records() == [b"before", b"without the first", b"without the second"]


@pytest.mark.long  # tests/chaos/test_kafka_losses.py does the same to the log, in the default run
def test_a_topic_that_asks_for_two_copies_refuses_what_one_would_lose(kafka_brokers: DevCluster) -> None:
    """The same deaths on two topics: one refuses to write with one copy, the other accepts and loses by it."""
    careful, careless = (Topic(kafka_brokers, fresh_topic(name)) for name in ("careful", "careless"))
    careful.create(copies_on=[1, 2], settings={"min.insync.replicas": "2"})
    careless.create(copies_on=[1, 2], settings={"min.insync.replicas": "1"})
    for topic in (careful, careless):
        topic.append(b"on both")

    kafka_brokers.kill(2)
    careless.await_placement(lambda now: now.in_sync == {1})
    with pytest.raises(KafkaException) as refused:
        careful.append(b"refused", seconds=1)
    careless.append(b"acknowledged, on the first only")
    kafka_brokers.kill(1)
    kafka_brokers.restart(2)
    careless.await_placement(lambda now: now.leader == NO_LEADER)
    careless.force_election()
    careless.await_placement(lambda now: now.leader == 2)
    rewritten = careless.append(b"in its place")
    kafka_brokers.restart(1)
    for topic in (careful, careless):
        topic.await_placement(lambda now: now.in_sync == {1, 2})
    careful.append(b"on both again")

    assert refused.value.args[0].code() in (KafkaError.NOT_ENOUGH_REPLICAS, KafkaError._MSG_TIMED_OUT)
    assert careful.records() == [b"on both", b"on both again"]
    assert rewritten == 1
    assert careless.records() == [b"on both", b"in its place"]

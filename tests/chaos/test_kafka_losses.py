"""What three real brokers can do to a log that is written to, and what the log makes of it.

Too few copies: refused or unknown, never lost, and settled when they are back. A leader without acknowledged records:
every node that knows better stops. Retention that has passed a node: it stops, and starts again from a snapshot. No
broker at all while a call goes on: the call does not notice, and its history is whole afterwards.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from domain.log.ports import LogUnavailable, OutcomeUnknown
from infra.identifiers import now, random_id
from infra.kafka.cluster import DevCluster
from streams.kafka.clients import admin
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import prepare
from streams.log.kafka.halt import Halted
from streams.log.kafka.log import KafkaLog
from streams.media_log.kafka import KafkaFragmentLog
from tests.chaos.kafka_drills import copies_of
from tests.contracts.kafka_nodes import on_broker, open_tally_log
from tests.contracts.log_contract import START
from tests.contracts.tally import TALLY, Added, Open
from tests.integration.kafka.observing import NO_LEADER, Topic
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import dial, providers, texts

pytestmark = pytest.mark.timeout(600)  # brokers notice the death of others after seconds, and start on a busy machine

SECONDS = 60.0
BACK_SECONDS = 30.0
"""How long three brokers that were all frozen may take until the log has what was kept meanwhile."""


def set_least_in_sync(location: KafkaLocation, copies: int) -> None:
    changed = ConfigResource(
        ConfigResourceType.TOPIC, location.topic("log"), configs={"min.insync.replicas": str(copies)}
    )
    with admin(location) as client:
        client.alter_configs([changed])


async def test_with_too_few_copies_nothing_is_acknowledged_and_what_was_sent_settles_when_they_are_back(
    kafka_brokers: DevCluster, tmp_path: Path
) -> None:
    location = on_broker(kafka_brokers.bootstrap)
    topic = Topic(kafka_brokers, location.topic("log"))
    with closing(open_tally_log(location, tmp_path / "one", replication=2, settle_seconds=1.0)) as node:
        await node.execute(TALLY, "a", Open("org-1"))
        leader, other = copies_of(location)
        kafka_brokers.kill(other)
        topic.await_placement(lambda now: now.in_sync == {leader})
        with pytest.raises(OutcomeUnknown, match="no broker confirmed it in time"):
            await node.record("a", [Added(amount=5)], [START], commit_id="batch")
        assert len(node.history("a")) == 1
        kafka_brokers.restart(other)
        topic.await_placement(lambda now: now.in_sync == {leader, other})
        settled = await node.record("a", [Added(amount=5)], [START], commit_id="batch")
        assert await node.record("a", [Added(amount=5)], [START], commit_id="batch") == settled
        with closing(open_tally_log(location, tmp_path / "two", replication=2)) as auditor:
            assert [event.recorded.originator_version for event in auditor.history("a")] == [1, 2]
            assert auditor.tail() == node.tail()


@pytest.mark.long
async def test_a_leader_without_acknowledged_records_halts_every_node_that_knows_them(
    kafka_brokers: DevCluster, tmp_path: Path
) -> None:
    """Somebody lowered ``min.insync.replicas`` behind the log's back and then had an unclean leader elected."""
    location = on_broker(kafka_brokers.bootstrap)
    topic = Topic(kafka_brokers, location.topic("log"))
    with closing(open_tally_log(location, tmp_path / "one", replication=2)) as node:
        await node.execute(TALLY, "a", Open("org-1"))
        set_least_in_sync(location, 1)
        leader, other = copies_of(location)
        kafka_brokers.kill(other)
        topic.await_placement(lambda now: now.in_sync == {leader})
        for amount in (1, 2):
            await node.record("a", [Added(amount=amount)], [START])
        kafka_brokers.kill(leader)
        kafka_brokers.restart(other)
        topic.await_placement(lambda now: now.leader == NO_LEADER)
        topic.force_election()
        assert not node._shards[0].replica.wait_past(10**9, SECONDS)
        assert "the log has lost records" in str(node.halted)
        with pytest.raises(LogUnavailable, match="keep the replica as evidence"):
            await node.record("a", [Added(amount=3)], [START])
        assert len(node.history("a")) == 3, "a halted node still answers what it knows"
    set_least_in_sync(location, 2)
    with pytest.raises(Halted, match="the log has lost records"):
        open_tally_log(location, tmp_path / "one", replication=2)


@pytest.mark.parametrize("away_s", [4.0, pytest.param(120.0, marks=pytest.mark.long)])
async def test_a_call_goes_on_while_no_broker_answers_and_its_history_is_whole_when_they_are_back(
    kafka_brokers: DevCluster, tmp_path: Path, away_s: float
) -> None:
    location = on_broker(kafka_brokers.bootstrap)
    found = prepare(location, replication=3)
    heard = [f"sentence number {number}" for number in range(4 * round(away_s) + 10)]
    logs = (
        KafkaLog.open(location, tmp_path / "replica", identity=found.identity, clock=now, new_id=random_id),
        KafkaFragmentLog.open(location, tmp_path / "replica" / "fragments.db", topic_id=found.media_topic_id),
    )
    brokers = [status.id for status in kafka_brokers.statuses()]
    said = 0
    async with media_rig(tmp_path, providers(*heard), logs=logs) as rig:

        async def exchange() -> int:
            await caller.speak()
            await caller.until_said(said + 2)  # the greeting is the assistant's first speech
            return said + 1

        caller = await dial(rig)
        await caller.until_said(1)
        said = await exchange()
        try:
            for broker in brokers:
                kafka_brokers.pause(broker)
            until = time.monotonic() + away_s
            while time.monotonic() < until:
                said = await exchange()
            assert rig.tier.trouble
            assert len(texts(rig.events(caller.call_id), "user")) < said
        finally:
            for broker in brokers:
                kafka_brokers.resume(broker)
        said = await exchange()
        caller.control(type="end-call")
        async with asyncio.timeout(BACK_SECONDS):
            await caller.serving
        recorded = [positioned.recorded for positioned in rig.log.history(caller.call_id)]
        events = [one.event for one in recorded]
        assert texts(events, "user") == heard[:said]
        assert texts(events, "assistant") == ["Hello.", *["Very well."] * said]
        assert [event.TYPE for event in events].count("call.ended") == 1
        assert len({one.id for one in recorded}) == len(recorded)
        numbers = [fragment.seq for fragment in rig.fragments.read(caller.call_id)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert rig.fragments.dropped(caller.call_id) == 0

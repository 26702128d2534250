"""What three real brokers can do to a log that is written to, and what the log makes of it.

Too few copies: refused or unknown, never lost, and settled when they are back. A leader without acknowledged records:
every node that knows better stops. Retention that has passed a node: it stops, and starts again from a snapshot. No
broker at all while a call goes on: the call does not notice, and its history is whole afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from domain.log.ports import LogUnavailable, OutcomeUnknown
from infra.identifiers import now, random_id
from infra.kafka.cluster import DevCluster
from streams.kafka.clients import admin, consumer, partition
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import prepare
from streams.log.kafka.bootstrap import set_aside
from streams.log.kafka.halt import Halted
from streams.log.kafka.log import KafkaLog
from streams.log.kafka.lost import lost_events
from streams.log.kafka.replica_folder import replaced_from_snapshots, replica_path
from streams.media_log.kafka import KafkaFragmentLog
from tests.chaos.kafka_drills import copies_of
from tests.contracts.kafka_nodes import on_broker, open_tally_log
from tests.contracts.log_contract import CODEC, START
from tests.contracts.tally import TALLY, Added, Open
from tests.integration.kafka.observing import NO_LEADER, Topic
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import dial, providers, texts

pytestmark = pytest.mark.timeout(900)  # brokers notice the death of others after seconds, and start on a busy machine

T = TypeVar("T")

SECONDS = 120.0
BACK_SECONDS = 120.0
"""How long three brokers that were all frozen may take until the log has what was kept meanwhile."""


def change_log_topic(location: KafkaLocation, **settings: str) -> None:
    """What somebody does behind the log's back; no start would accept it."""
    configs = {name.replace("_", "."): value for name, value in settings.items()}
    with admin(location) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, location.topic("log"), configs=configs)])


async def settled(attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """As a sender does that is left without an outcome: the same again, until there is one.

    Nodes here wait for a second only, and busy brokers take longer, also to hear of changed settings.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return await attempt()
        except OutcomeUnknown:
            assert time.monotonic() < deadline


def earliest(location: KafkaLocation) -> int:
    with closing(consumer(location)) as asking:
        place = partition(location, "log", 0)
        return asking.beginning_offsets([place])[place]


async def test_with_too_few_copies_nothing_is_acknowledged_and_what_was_sent_settles_when_they_are_back(
    kafka_brokers: DevCluster, tmp_path: Path
) -> None:
    location = on_broker(kafka_brokers.bootstrap)
    topic = Topic(kafka_brokers, location.topic("log"))
    with closing(open_tally_log(location, tmp_path / "one", replication=2, settle_seconds=1.0)) as node:
        await settled(lambda: node.execute(TALLY, "a", Open("org-1"), commit_id="opened"))
        leader, other = copies_of(location)
        kafka_brokers.kill(other)
        topic.await_placement(lambda now: now.in_sync == {leader})
        with pytest.raises(OutcomeUnknown, match="no broker confirmed it in time"):
            await node.record("a", [Added(amount=5)], [START], commit_id="batch")
        assert len(node.history("a")) == 1
        kafka_brokers.restart(other)
        topic.await_placement(lambda now: now.in_sync == {leader, other})
        batch = await settled(lambda: node.record("a", [Added(amount=5)], [START], commit_id="batch"))
        assert await node.record("a", [Added(amount=5)], [START], commit_id="batch") == batch
        with closing(open_tally_log(location, tmp_path / "two", replication=2)) as auditor:
            assert [event.recorded.originator_version for event in auditor.history("a")] == [1, 2]
            assert auditor.tail() == node.tail()


@pytest.mark.long
async def test_an_unclean_leader_halts_every_node_that_knows_better_and_says_what_to_do(
    kafka_brokers: DevCluster, tmp_path: Path
) -> None:
    """Too few copies are in sync; somebody lowers ``min.insync.replicas`` behind the log's back to go on, loses the
    only copy of what is acknowledged then, and has a leader elected that lacks it."""
    location = on_broker(kafka_brokers.bootstrap)
    topic = Topic(kafka_brokers, location.topic("log"))

    def opened(name: str) -> KafkaLog:
        return open_tally_log(location, tmp_path / name, replication=2, settle_seconds=1.0)

    with closing(opened("one")) as node, closing(opened("two")) as reader:
        await settled(lambda: node.execute(TALLY, "a", Open("org-1"), commit_id="opened"))
        leader, other = copies_of(location)
        kafka_brokers.kill(other)
        topic.await_placement(lambda now: now.in_sync == {leader})
        with pytest.raises(OutcomeUnknown, match="no broker confirmed it in time"):
            await node.record("a", [Added(amount=5, note="first")], [START], commit_id="batch")
        change_log_topic(location, min_insync_replicas="1")
        first, second = Added(amount=5, note="first"), Added(amount=7, note="second")
        batch = await settled(lambda: node.record("a", [first], [START], commit_id="batch"))
        await settled(lambda: node.record("a", [second], [START], commit_id="next"))
        assert await reader.wait_for(node.head(), SECONDS)

        kafka_brokers.kill(leader)
        kafka_brokers.restart(other)
        topic.await_placement(lambda now: now.leader == NO_LEADER)
        topic.force_election()
        for knowing in (node, reader):
            assert not await asyncio.to_thread(knowing._shards[0].replica.wait_past, 10**9, SECONDS)
            assert "the log has lost records" in str(knowing.halted)
            with pytest.raises(LogUnavailable, match="keep the replica as evidence"):
                await knowing.record("a", [Added(amount=3)], [START])
            assert len(knowing.history("a")) == 3, "a halted node still answers what it knows"

    change_log_topic(location, min_insync_replicas="2")
    kafka_brokers.restart(leader)
    topic.await_placement(lambda now: now.in_sync == {leader, other})
    with pytest.raises(Halted, match="the log has lost records"):
        opened("one")
    aside = set_aside(replica_path(tmp_path / "one", 0))
    assert aside is not None
    with closing(opened("one")) as again:
        assert [event.recorded.originator_version for event in again.history("a")] == [1]
        missing = lost_events(aside, replica_path(tmp_path / "one", 0))
        assert [(event.originator_id, event.originator_version) for event in missing] == [("a", 2), ("a", 3)]
        assert [CODEC.decode(event.type, event.body, "a", 2).event for event in missing] == [
            first,
            second,
        ]
        anew = await settled(lambda: again.record("a", [first], [START], commit_id="batch"))
        assert anew == batch, "who still has what was lost may send it again, under its id"


@pytest.mark.long
async def test_a_node_that_retention_has_passed_halts_and_starts_again_from_a_snapshot(
    kafka_brokers: DevCluster, tmp_path: Path
) -> None:
    """Somebody gave the log's topic a retention; three brokers delete what two nodes of three have read."""
    location = on_broker(kafka_brokers.bootstrap)

    def opened(name: str) -> KafkaLog:
        prepare(location, replication=3)  # as every process does, also while a broker is away
        return open_tally_log(location, tmp_path / name, replication=3)

    with closing(opened("one")) as node:
        await node.execute(TALLY, "a", Open("org-1"))
        opened("late").close()
        await node.record("a", [Added(amount=1)], [START])
        node.save_snapshots(tmp_path / "snapshots")
        change_log_topic(location, retention_ms="1000")
        async with asyncio.timeout(SECONDS):
            while await asyncio.to_thread(earliest, location) < node.tail().next_offset:
                pass
        change_log_topic(location, retention_ms="-1")
        await node.record("a", [Added(amount=2)], [START])
        assert node.halted is None

        # Whoever leads next has deleted it too.
        leader = copies_of(location)[0]
        kafka_brokers.kill(leader)
        Topic(kafka_brokers, location.topic("log")).await_placement(lambda now: now.leader not in (leader, NO_LEADER))
        for name in ("late", "new"):
            with pytest.raises(Halted, match=r"retention has passed it.*start from a newer snapshot"):
                opened(name)
            replaced = replaced_from_snapshots(tmp_path / name, tmp_path / "snapshots")
            assert [one.aside is not None for one in replaced] == [True]
            with closing(opened(name)) as again:
                assert again.tail() == node.tail()
                assert again.verify().broken is None


@pytest.mark.parametrize(
    "away_s", [pytest.param(4.0, marks=pytest.mark.long), pytest.param(120.0, marks=pytest.mark.long)]
)
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
            await caller.until_said(said + 2, SECONDS)  # the greeting is the assistant's first speech
            return said + 1

        caller = await dial(rig)
        await caller.until_said(1, SECONDS)
        said = await exchange()
        try:
            for broker in brokers:
                kafka_brokers.pause(broker)
            until = time.monotonic() + away_s
            while time.monotonic() < until:
                said = await exchange()
            async with asyncio.timeout(SECONDS):
                while not rig.tier.trouble:  # noqa: ASYNC110 - as an orchestrator asks
                    await asyncio.sleep(0.01)
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

"""Appending on Kafka when it does not go smoothly: brokers that stall, races, garbage, and the log's end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError
from kafka.future import Future

from domain.log.commit import Commit
from domain.log.envelope import Record
from domain.log.ports import LogUnavailable, OutcomeUnknown
from domain.log.position import Position
from domain.log.receipt import CommitIdReused
from streams.kafka.clients import Producer, Sent, producer
from streams.kafka.location import KafkaLocation
from streams.log.kafka.log import KafkaLog
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import nodes, on_mock
from tests.contracts.log_contract import START, commit, seen
from tests.contracts.tally import TALLY, Add, Added, Open, Opened
from tests.patience import PATIENCE_S
from tests.unit.streams.log.partition import sent

OPENED = Opened(org_id="org-1")


@pytest.fixture
def location(mock_kafka: MockKafka) -> KafkaLocation:
    return on_mock(mock_kafka.bootstrap)


@pytest.fixture
def open_node(location: KafkaLocation, tmp_path: Path) -> Iterator[Callable[[], KafkaLog]]:
    with nodes(location, tmp_path, settle_seconds=PATIENCE_S) as opener:
        yield opener


@pytest.fixture
def node(open_node: Callable[[], KafkaLog]) -> KafkaLog:
    return open_node()


@contextmanager
def impatient(node: KafkaLog, seconds: float = 1.0) -> Iterator[None]:
    """The node waits for an outcome no longer than that."""
    writer = node._shards[0].writer
    usual, writer._settle_seconds = writer._settle_seconds, seconds
    yield
    writer._settle_seconds = usual


@contextmanager
def away(mock_kafka: MockKafka, node: KafkaLog, seconds: float = 1.0) -> Iterator[None]:
    """The cluster answers nobody, and the node does not wait for it for long."""
    with impatient(node, seconds):
        mock_kafka.pause()
        yield
        mock_kafka.resume()


def produce(location: KafkaLocation, *records: Record) -> None:
    """What somebody else writes to the topic."""
    with closing(producer(location)) as foreign:
        for record in records:
            foreign.send(location.topic("log"), record.value, b"k", list(record.headers), 0).get(timeout=PATIENCE_S)


def total(node: KafkaLog, originator_id: str = "a") -> int:
    document = node.get("tally", originator_id)
    assert document is not None
    return int(document.state.total)


async def opened(node: KafkaLog) -> None:
    await node.execute(TALLY, "a", Open("org-1"))


# Outcome unknown, and the same bytes again


async def test_facts_of_unknown_outcome_are_recorded_once_when_sent_again(
    node: KafkaLog, mock_kafka: MockKafka
) -> None:
    await opened(node)
    unknown = r"commit batch may or may not be on the log.*same commit id"
    with away(mock_kafka, node), pytest.raises(OutcomeUnknown, match=unknown):
        await node.record("a", [Added(amount=5)], [START], commit_id="batch")
    first = await node.record("a", [Added(amount=5)], [START], commit_id="batch")
    assert await node.record("a", [Added(amount=5)], [START], commit_id="batch") == first
    assert (total(node), len(node.history("a"))) == (5, 2)


class LossyProducer:
    """A producer that, while it is ``losing``, reports every record as expired and sends none."""

    def __init__(self, inner: Producer, losing: threading.Event) -> None:
        self._inner = inner
        self._losing = losing

    def send(self, topic: str, **record: Any) -> Sent:
        if not self._losing.is_set():
            return self._inner.send(topic, **record)
        lost: Sent = Future().failure(KafkaTimeoutError("expired"))
        return lost

    def flush(self, timeout: float | None = None) -> None:
        self._inner.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        self._inner.close(timeout)


def lossy_node(open_node: Callable[[], KafkaLog], monkeypatch: pytest.MonkeyPatch, losing: threading.Event) -> KafkaLog:
    monkeypatch.setattr(
        "streams.log.kafka.shard.producer", lambda *its, **own: LossyProducer(producer(*its, **own), losing)
    )
    node = open_node()
    monkeypatch.undo()
    return node


async def test_facts_of_unknown_outcome_whose_place_was_taken_are_recorded_in_the_next_one(
    open_node: Callable[[], KafkaLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    losing = threading.Event()
    unlucky = lossy_node(open_node, monkeypatch, losing)
    other = open_node()
    await opened(other)
    assert await unlucky.wait_for(other.head(), PATIENCE_S)
    losing.set()
    with impatient(unlucky), pytest.raises(OutcomeUnknown):
        await unlucky.record("a", [Added(amount=5)], [START], commit_id="batch")
    losing.clear()
    taken = await other.record("a", [Added(amount=1)], [START])
    assert await unlucky.wait_for(taken.position, PATIENCE_S)
    first = await unlucky.record("a", [Added(amount=5)], [START], commit_id="batch")
    assert [recorded.originator_version for recorded in first.events] == [3]
    assert await other.wait_for(first.position, PATIENCE_S)
    for node in (unlucky, other):
        # Whoever comes back with the batch finds it, also one who knows nothing of the first attempt.
        assert await node.record("a", [Added(amount=5)], [START], commit_id="batch") == first
        assert (total(node), len(node.history("a"))) == (6, 3)


async def test_a_command_of_unknown_outcome_whose_place_was_taken_happens_once(
    open_node: Callable[[], KafkaLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    losing = threading.Event()
    unlucky = lossy_node(open_node, monkeypatch, losing)
    other = open_node()
    await opened(other)
    assert await unlucky.wait_for(other.head(), PATIENCE_S)
    losing.set()
    with impatient(unlucky), pytest.raises(OutcomeUnknown):
        await unlucky.execute(TALLY, "a", Add(5), commit_id="intent")
    losing.clear()
    taken = await other.record("a", [Added(amount=1)], [START])
    assert await unlucky.wait_for(taken.position, PATIENCE_S)
    _, done = await unlucky.execute(TALLY, "a", Add(5), commit_id="intent")
    assert await other.wait_for(done.position, PATIENCE_S)
    for node in (unlucky, other):
        state, _ = await node.execute(TALLY, "a", Add(5), commit_id="intent")
        assert (state.total, len(node.history("a"))) == (6, 3)


async def test_a_command_of_unknown_outcome_happens_once_when_sent_again(node: KafkaLog, mock_kafka: MockKafka) -> None:
    """Its clock has moved on, so deciding anew would give other bytes under the same id."""
    await opened(node)
    with away(mock_kafka, node), pytest.raises(OutcomeUnknown):
        await node.execute(TALLY, "a", Add(5), commit_id="intent")
    state, _ = await node.execute(TALLY, "a", Add(5), commit_id="intent")
    assert (state.total, len(node.history("a"))) == (5, 2)


async def test_who_waits_for_a_cluster_that_is_known_to_be_away_hears_so_sooner(
    open_node: Callable[[], KafkaLog], mock_kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = open_node()
    await opened(node)
    monkeypatch.setattr("streams.log.kafka.writer.AWAY_SECONDS", 0.1)
    waited: list[float] = []
    with away(mock_kafka, node, 3.0):
        for number in range(2):
            began = time.monotonic()
            with pytest.raises(OutcomeUnknown):
                await node.record("a", [Added(amount=1)], [START], commit_id=f"c{number}")
            waited.append(time.monotonic() - began)
    assert waited[0] > waited[1]
    for number in range(2):
        await node.record("a", [Added(amount=1)], [START], commit_id=f"c{number}")
    assert total(node) == 2


async def test_another_commit_under_an_id_of_unknown_outcome_is_refused(node: KafkaLog, mock_kafka: MockKafka) -> None:
    await opened(node)
    with away(mock_kafka, node), pytest.raises(OutcomeUnknown):
        await node.record("a", [Added(amount=5)], [START], commit_id="batch")
    with pytest.raises(CommitIdReused, match="'batch'"):
        await node.record("a", [Added(amount=6)], [START], commit_id="batch")


async def test_facts_survive_an_outage_once_each(node: KafkaLog, mock_kafka: MockKafka) -> None:
    await opened(node)
    with away(mock_kafka, node):
        waiting = [
            asyncio.ensure_future(node.record("a", [Added(amount=1, note=f"{n}")], [START], commit_id=f"c{n}"))
            for n in range(5)
        ]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*waiting, return_exceptions=True)
    for n in range(5):
        await node.record("a", [Added(amount=1, note=f"{n}")], [START], commit_id=f"c{n}")
    document = node.get("tally", "a")
    assert document is not None
    assert sorted(document.state.notes) == [f"{n}" for n in range(5)]


async def test_a_broker_that_is_gone_at_the_close_does_not_hold_it_up(
    location: KafkaLocation, tmp_path: Path, mock_kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.log.kafka.writer.CLOSE_SECONDS", 0.5)
    with nodes(location, tmp_path / "slow", settle_seconds=600.0) as opener:
        node = opener()
        await opened(node)
        mock_kafka.pause()
        waiting = asyncio.ensure_future(node.record("a", [Added(amount=1)], [START]))
        await asyncio.sleep(0)
        began = time.monotonic()
        await asyncio.to_thread(node.close)
        assert time.monotonic() - began < 60
        with pytest.raises(LogUnavailable):
            await waiting
        mock_kafka.resume()


# Races


async def test_own_records_are_applied_without_being_read_back(node: KafkaLog) -> None:
    await opened(node)
    for _ in range(20):
        await node.record("a", [Added(amount=1)], [START])
    assert node.counters()[0].adopted == node.counters()[0].commits == 21


async def test_a_record_that_comes_in_between_is_judged_first(open_node: Callable[[], KafkaLog]) -> None:
    """The writer's guess at what comes next is wrong; the log's order is right."""
    one, other = open_node(), open_node()
    await opened(one)
    await seen(other, Position(0, 1))
    other._shards[0]._follower.close()  # what it does not read, it cannot know
    await one.record("a", [Added(amount=1)], [START])
    with impatient(other), pytest.raises(OutcomeUnknown):
        await other.record("a", [Added(amount=2)], [START], commit_id="late")
    appended = await one.record("a", [Added(amount=4)], [START])
    assert [p.recorded.originator_version for p in one.history("a")] == [1, 2, 3]
    assert appended.position == Position(0, 3)
    receipt = one.receipt("late")
    assert receipt is not None
    assert not receipt.verdict.accepted


async def test_facts_that_lost_a_race_are_recorded_at_the_next_version(open_node: Callable[[], KafkaLog]) -> None:
    one, other = open_node(), open_node()
    await opened(one)
    await seen(other, Position(0, 1))
    everything = await asyncio.gather(
        *(
            node.record(f"{name}", [OPENED] if n == 0 else [Added(amount=1)], [START])
            for name in ("x", "y")
            for n, node in ((0, one),)
        ),
        *(
            node.record("a", [Added(amount=1, note=f"{name}{n}")], [START], commit_id=f"{name}-{n}")
            for n in range(25)
            for name, node in (("one", one), ("other", other))
        ),
    )
    await seen(one, max(appended.position for appended in everything))
    assert total(one) == 50
    document = one.get("tally", "a")
    assert document is not None
    for name in ("one", "other"):
        own = [int(note.removeprefix(name)) for note in document.state.notes if note.rstrip("0123456789") == name]
        assert own == list(range(25)), "facts of one node stand in the order they were given"
    for n in range(25):  # an attempt that was made void by a race is found again under the first id
        await one.record("a", [Added(amount=1, note=f"other{n}")], [START], commit_id=f"other-{n}")
    assert total(one) == 50


async def test_void_commits_are_mostly_seen_before_they_are_sent(node: KafkaLog) -> None:
    await opened(node)
    await asyncio.gather(*(node.execute(TALLY, "a", Add(1)) for _ in range(20)))
    assert (total(node), node.counters()[0].void) == (20, 0)
    assert node.counters()[0].refused > 0


# What others write


async def test_garbage_on_the_topic_is_passed_over_and_kept(node: KafkaLog, location: KafkaLocation) -> None:
    await opened(node)
    produce(
        location,
        Record((), b"no commit at all"),
        Record((("v", b"1"), ("commit", b"g"), ("streams", b'[["a",99999999999999999999]]')), b"[{}]"),
        Record((("v", b"1"), ("commit", b"g"), ("streams", b'[["a",2]]')), b"not json"),
        sent("foreign", ("a", 2, Added(amount=7))),
    )
    await seen(node, Position(0, 2))
    await node.record("a", [Added(amount=1)], [START])
    assert total(node) == 8
    rows = node._shards[0].replica.datastore.rows("SELECT sequence, kind FROM other_records")
    assert rows == [(2, "poison"), (3, "poison"), (4, "poison")]
    assert node.halted is None


async def test_a_newer_writers_record_halts_the_node_and_says_what_to_do(
    node: KafkaLog, location: KafkaLocation
) -> None:
    await opened(node)
    produce(location, Record((("v", b"2"), ("commit", b"x"), ("streams", b'[["a",2]]')), b"[{}]"))
    await asyncio.to_thread(node._shards[0]._follower._thread.join, PATIENCE_S)
    assert "envelope version 2" in (node.halted or "")
    assert "upgrade this node" in (node.halted or "")
    with pytest.raises(LogUnavailable, match="halted"):
        await node.record("a", [Added(amount=1)], [START])
    assert total(node) == 0  # reading goes on


# Size


async def test_a_commit_too_large_for_the_log_is_refused_before_it_is_sent(node: KafkaLog) -> None:
    await opened(node)
    with pytest.raises(LogUnavailable, match="bytes, more than"):
        await node.record("a", [Added(amount=1, note="x" * 5_000_000)], [START])
    await node.record("a", [Added(amount=1)], [START])
    assert total(node) == 1


def test_a_commit_of_one_node_is_a_receipt_on_all(open_node: Callable[[], KafkaLog]) -> None:
    one, other = open_node(), open_node()
    appended: Commit = commit("first", ("a", 1, OPENED))
    receipt = one.append(appended)
    assert asyncio.run(other.wait_for(Position(0, 1), PATIENCE_S))
    assert other.receipt("first") == receipt == other.append(appended)


async def test_a_full_disk_refuses_what_comes_and_loses_nothing(node: KafkaLog) -> None:
    await opened(node)
    replica = node._shards[0].replica
    ((pages,),) = replica._connection.execute("PRAGMA page_count").fetchall()
    replica._connection.execute(f"PRAGMA max_page_count={pages}")
    note = "x" * 100_000
    with pytest.raises(OutcomeUnknown, match="no space"):
        await node.record("a", [Added(amount=5, note=note)], [START], commit_id="large")
    with pytest.raises(LogUnavailable, match="no space") as refusal:
        await node.record("a", [Added(amount=1)], [START])
    assert refusal.value.full
    assert "no space" in (node.trouble or "")
    assert total(node) == 0
    replica._connection.execute("PRAGMA max_page_count=1000000")
    assert await node.wait_for(Position(0, 2), PATIENCE_S), "the follower applies what was acknowledged"
    assert node.trouble is None
    await node.record("a", [Added(amount=5, note=note)], [START], commit_id="large")
    await node.record("a", [Added(amount=1)], [START])
    assert total(node) == 6


def test_a_damaged_replica_says_to_be_moved_aside(
    open_node: Callable[[], KafkaLog], location: KafkaLocation, tmp_path: Path
) -> None:
    path = tmp_path / "damaged"
    with nodes(location, path) as opener:
        opener().append(commit("first", ("a", 1, OPENED)))
    replica = path / "node-0" / "shard-0.db"
    replica.write_bytes(b"no database at all, " * 1000)
    with nodes(location, path) as opener, pytest.raises(LogUnavailable, match="move it aside and start again"):
        opener()
    replica.unlink()
    with nodes(location, path) as opener:
        assert len(opener().history("a")) == 1

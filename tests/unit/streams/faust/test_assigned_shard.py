"""A shard that is assigned to this process: what is acknowledged, when, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from domain.log.position import Position
from domain.processing import Rows, SinkUnavailable
from streams.faust.shard import AssignedShard
from streams.processing.dead_letters import DeadLetters
from streams.processing.pipeline import Pipeline
from tests.patience import PATIENCE_S
from tests.unit.streams.memory_log import MemoryLog
from tests.unit.streams.running import NOW, MemorySink, Names, Writer


class Judged(MemoryLog):
    """A log of which the record at offset n holds the event with ordinal n."""

    def position_at(self, shard: int, offset: int, timeout_s: float) -> Position | None:
        return Position(shard, offset)


@dataclass
class Delivery:
    """A record that notes its acknowledgement."""

    offset: int
    value: bytes = b""
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledge(self) -> None:
        self.acknowledged.set()


@dataclass
class Stage:
    """A shard with its log and sink."""

    log: Judged
    writer: Writer
    sink: MemorySink
    letters: DeadLetters
    poison: set[str]
    failures: list[BaseException] = field(default_factory=list)
    failed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def assigned(self) -> AsyncIterator[AssignedShard]:
        async def ready() -> None:
            """Nothing to wait for."""

        def fail(failure: BaseException) -> None:
            self.failures.append(failure)
            self.failed.set()

        pipeline = Pipeline("names", (Names(self.poison),), self.sink, window_seconds=0.001)
        shard = AssignedShard(
            pipeline, self.log, self.letters, 0, clock=lambda: NOW + timedelta(seconds=1), ready=ready, failed=fail
        )
        shard.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                yield shard
        finally:
            await shard.stop()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    log = Judged()
    return Stage(log, Writer(log), MemorySink(), DeadLetters(tmp_path / "letters.db"), set())


async def test_a_record_is_acknowledged_when_its_rows_are_in_the_sink(stage: Stage) -> None:
    written: list[int] = []
    stage.sink.before_write = lambda first, last, rows: written.append(last)
    async with stage.assigned() as shard:
        await shard.reached(Position(0, 0))
        last = stage.writer.names("a", "Ann", "Anna")
        deliveries = [Delivery(1), Delivery(2)]
        for delivery in deliveries:
            shard.deliver(delivery)
        await deliveries[-1].acknowledged.wait()
        assert written[-1] == last.ordinal
    assert stage.sink.names("a") == ["Ann", "Ann,Anna"]


async def test_nothing_is_processed_before_it_is_delivered(stage: Stage) -> None:
    async with stage.assigned() as shard:
        await shard.reached(Position(0, 0))
        stage.writer.names("a", "Ann", "Anna", "Anne")
        first = Delivery(1)
        shard.deliver(first)
        await first.acknowledged.wait()
        assert stage.sink.position == 1
        assert stage.sink.names("a") == ["Ann"]


async def test_what_was_committed_to_kafka_but_not_done_is_done_all_the_same(stage: Stage) -> None:
    """The sink says where to begin, not the offset that Faust begins with."""
    stage.writer.names("a", "Ann", "Anna", "Anne")
    async with stage.assigned() as shard:
        await shard.reached(Position(0, 3))
        late = Delivery(3)
        shard.deliver(late)
        await late.acknowledged.wait()
    assert stage.sink.names("a") == ["Ann", "Ann,Anna", "Ann,Anna,Anne"]


async def test_what_is_delivered_again_is_acknowledged_and_not_done_again(stage: Stage) -> None:
    stage.writer.names("a", "Ann", "Anna")
    async with stage.assigned() as shard:
        await shard.reached(Position(0, 2))
        ranges = list(stage.sink.ranges)
        again = [Delivery(1), Delivery(2), Delivery(1)]
        for delivery in again:
            shard.deliver(delivery)
        for delivery in again:
            await delivery.acknowledged.wait()
        assert stage.sink.ranges == ranges


async def test_a_poisoned_event_is_acknowledged_once_it_is_parked(stage: Stage) -> None:
    stage.poison.add("Bad")
    async with stage.assigned() as shard:
        await shard.reached(Position(0, 0))
        stage.writer.names("a", "Bad", "Anna")
        stage.writer.names("b", "Bob")
        last = Delivery(3)
        shard.deliver(last)
        await last.acknowledged.wait()
        assert [letter.position.ordinal for letter in stage.letters.list()] == [1, 2]
        stage.poison.clear()
        assert await shard.retry("names", "a") == 2
    assert stage.sink.names("a") == ["Bad", "Bad,Anna"]
    assert stage.sink.names("b") == ["Bob"]


async def test_while_the_sink_is_away_nothing_is_acknowledged(stage: Stage) -> None:
    away, tried = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    away.set()

    def refuse(first: int, last: int, rows: Sequence[Rows]) -> None:
        if away.is_set():
            loop.call_soon_threadsafe(tried.set)
            raise SinkUnavailable("away")

    stage.sink.before_write = refuse
    async with stage.assigned() as shard:
        await shard.reached(Position(0, 0))
        stage.writer.names("a", "Ann")
        delivery = Delivery(1)
        shard.deliver(delivery)
        await tried.wait()
        assert not delivery.acknowledged.is_set()
        away.clear()
        await delivery.acknowledged.wait()
    assert stage.sink.names("a") == ["Ann"]


async def test_a_shard_that_is_given_up_leaves_its_records_to_the_next(stage: Stage) -> None:
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def refuse(first: int, last: int, rows: Sequence[Rows]) -> None:
        loop.call_soon_threadsafe(tried.set)
        raise SinkUnavailable("away")

    stage.sink.before_write = refuse
    async with stage.assigned() as shard:
        await shard.reached(Position(0, 0))
        stage.writer.names("a", "Ann")
        given_up = Delivery(1)
        shard.deliver(given_up)
        await tried.wait()
    assert not given_up.acknowledged.is_set()
    stage.sink.before_write = lambda first, last, rows: None
    async with stage.assigned() as shard:
        again = Delivery(1)
        shard.deliver(again)
        await again.acknowledged.wait()
    assert stage.sink.names("a") == ["Ann"]


async def test_what_nobody_expects_ends_the_shard_and_acknowledges_nothing(stage: Stage) -> None:
    def broken(first: int, last: int, rows: Sequence[Rows]) -> None:
        raise RuntimeError("a bug in the sink")

    stage.sink.before_write = broken
    async with stage.assigned() as shard:
        await shard.reached(Position(0, 0))
        stage.writer.names("a", "Ann")
        delivery = Delivery(1)
        shard.deliver(delivery)
        await stage.failed.wait()
        assert not delivery.acknowledged.is_set()
    assert "a bug in the sink" in str(stage.failures)

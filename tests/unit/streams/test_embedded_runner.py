"""Given processors over a log, then each event is folded once and in order, through failures of every part."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.call.events import CallEnded, CallRenamed
from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Effect, Rows, RowsRejected, SinkUnavailable
from streams.processing.checkpoints import CheckpointedSink, Checkpoints
from streams.processing.dead_letters import BEHIND, DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline
from tests.unit.streams.memory_log import MemoryLog

NOW = datetime(2026, 11, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Names:
    """Keeps all names a call was given so far; each event is a row of them. Fails on names in ``poison``."""

    poison: set[str] = field(default_factory=set)
    name: str = "names"
    version: int = 1
    handles: frozenset[str] | None = frozenset({CallRenamed.TYPE})

    def initial(self) -> tuple[str, ...]:
        return ()

    def apply(self, state: tuple[str, ...], event: Positioned) -> tuple[tuple[str, ...], Iterable[Effect]]:
        renamed = event.recorded.event
        assert isinstance(renamed, CallRenamed)
        if renamed.name in self.poison:
            raise ValueError(f"{renamed.name} is poison")
        state = (*state, str(renamed.name))
        row = event.position.ordinal, event.recorded.originator_id, ",".join(state)
        return state, [Rows("names", (row,))]


class MemorySink:
    """Implements ``RowSink`` strictly: ranges have no gaps, late ones add what is missing."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, str]] = {}
        self.ranges: list[tuple[int, int]] = []
        self.position = 0
        self.planned: int | None = None
        self.before_write: Callable[[int, int, Sequence[Rows]], None] = lambda first, last, rows: None

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        self.before_write(first.ordinal, last.ordinal, rows)
        if last.ordinal > self.position:
            assert first.ordinal == self.position + 1
            assert self.planned in (None, last.ordinal)
            self.position, self.planned = last.ordinal, None
            self.ranges.append((first.ordinal, last.ordinal))
        for part in rows:
            for ordinal, originator_id, names in part.rows:
                assert self.rows.setdefault(ordinal, (originator_id, names)) == (originator_id, names)

    def resume_from(self, shard: int) -> Position:
        return Position(shard, self.position)

    def planned_end(self, shard: int) -> Position | None:
        return None if self.planned is None else Position(shard, self.planned)

    def names(self, originator_id: str) -> list[str]:
        return [names for _, (owner, names) in sorted(self.rows.items()) if owner == originator_id]


class Writer:
    """Appends events of calls with gapless versions."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._versions: dict[str, int] = {}

    def event(self, originator_id: str, event: Event) -> Position:
        version = self._versions[originator_id] = self._versions.get(originator_id, 0) + 1
        return self._log.append(Recorded(originator_id, version, f"{originator_id}.{version}", NOW, event))

    def names(self, originator_id: str, *names: str) -> Position:
        for name in names:
            last = self.event(originator_id, CallRenamed(name=name))
        return last


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def write(log: MemoryLog) -> Writer:
    return Writer(log)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@asynccontextmanager
async def running(
    log: MemoryLog,
    sink: MemorySink | CheckpointedSink,
    letters: Path,
    processor: Names | None = None,
    **options: float,
) -> AsyncIterator[EmbeddedRunner]:
    dead_letters = DeadLetters(letters)
    pipeline = Pipeline(
        "names",
        (processor or Names(),),
        sink,
        batch_events=int(options.get("batch_events", 4)),
        window_seconds=options.get("window_seconds", 0.001),
        state_capacity=int(options.get("state_capacity", 100)),
    )
    runner = EmbeddedRunner(log, [pipeline], dead_letters, clock=lambda: NOW + timedelta(seconds=30))
    await runner.start()
    try:
        async with asyncio.timeout(20):
            yield runner
    finally:
        await runner.stop()
        dead_letters.close()


async def test_what_is_there_and_what_comes_is_folded_in_order(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    write.names("call-1", "a", "b")
    async with running(log, sink, tmp_path / "dead.db") as runner:
        await runner.reached(log.head())
        write.event("call-2", CallEnded(reason="x"))
        last = write.names("call-1", "c")
        await runner.reached(last)
    assert sink.names("call-1") == ["a", "a,b", "a,b,c"]
    assert sink.position == 4


async def test_a_full_batch_goes_at_once_and_the_rest_after_its_window(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    write.names("call-1", *"abcdefghij")
    async with running(log, sink, tmp_path / "dead.db", batch_events=4) as runner:
        await runner.reached(log.head())
    assert sink.ranges == [(1, 4), (5, 8), (9, 10)]


async def test_a_stopped_runner_resumes_where_the_sink_stands_with_the_states_of_before(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    for name in "abc":
        last = write.names("call-1", name)
        async with running(log, sink, tmp_path / "dead.db") as runner:
            await runner.reached(last)
    assert sink.names("call-1") == ["a", "a,b", "a,b,c"]
    assert sink.ranges == [(1, 1), (2, 2), (3, 3)]


async def test_a_range_that_was_planned_before_a_crash_is_sent_again_whole(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    write.names("call-1", *"abcdefghij")
    sink.planned = 7
    async with running(log, sink, tmp_path / "dead.db", batch_events=4) as runner:
        await runner.reached(log.head())
    assert sink.ranges == [(1, 7), (8, 10)]


async def test_states_that_were_evicted_are_folded_again_from_the_history(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    for name in "abc":
        for call in range(20):
            write.names(f"call-{call}", name)
    async with running(log, sink, tmp_path / "dead.db", state_capacity=3) as runner:
        await runner.reached(log.head())
    assert all(sink.names(f"call-{call}") == ["a", "a,b", "a,b,c"] for call in range(20))
    assert log.histories_read == 40


async def test_states_in_reach_are_not_folded_again(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    write.names("call-1", *"abcdefghij")
    async with running(log, sink, tmp_path / "dead.db") as runner:
        await runner.reached(log.head())
    assert log.histories_read == 0


class TestAFailingEvent:
    async def test_it_and_those_behind_it_are_parked_and_others_go_on(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        write.names("call-1", "a", "bad", "c")
        write.names("call-2", "x")
        async with running(log, sink, tmp_path / "dead.db", Names({"bad"})) as runner:
            await runner.reached(log.head())
            await runner.reached(write.names("call-1", "d"))
            await runner.reached(write.names("call-2", "y"))
            parked = runner.dead_letters.list()
            assert runner.status()["names"].parked == 3
        assert sink.names("call-1") == ["a"]
        assert sink.names("call-2") == ["x", "x,y"]
        assert [(letter.position.ordinal, letter.reason) for letter in parked] == [
            (2, "ValueError at call.renamed, version 2 of its originator: bad is poison"),
            (3, BEHIND),
            (5, BEHIND),
        ]

    async def test_a_restart_keeps_them_parked(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        write.names("call-1", "a", "bad", "c")
        async with running(log, sink, tmp_path / "dead.db", Names({"bad"})) as runner:
            await runner.reached(log.head())
        async with running(log, sink, tmp_path / "dead.db") as runner:
            await runner.reached(write.names("call-1", "d"))
            assert [letter.position.ordinal for letter in runner.dead_letters.list()] == [2, 3, 4]
        assert sink.names("call-1") == ["a"]

    async def test_mended_and_tried_again_they_are_folded_in_order_and_what_comes_later_too(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        poison = {"bad"}
        write.names("call-1", "a", "bad", "c")
        async with running(log, sink, tmp_path / "dead.db", Names(poison)) as runner:
            await runner.reached(log.head())
            poison.clear()
            assert await runner.retry("names", "call-1") == 2
            await runner.reached(write.names("call-1", "d"))
            assert runner.dead_letters.list() == []
        assert sink.names("call-1") == ["a", "a,bad", "a,bad,c", "a,bad,c,d"]

    async def test_tried_again_too_early_it_stays_and_counts_the_attempt(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        poison = {"bad", "worse"}
        write.names("call-1", "bad", "b", "worse", "d")
        async with running(log, sink, tmp_path / "dead.db", Names(poison)) as runner:
            await runner.reached(log.head())
            assert await runner.retry("names", "call-1") == 0
            assert [letter.attempt for letter in runner.dead_letters.list()] == [2, 1, 1, 1]
            poison.remove("bad")
            assert await runner.retry("names", "call-1") == 2
            assert [letter.position.ordinal for letter in runner.dead_letters.list()] == [3, 4]
        assert sink.names("call-1") == ["bad", "bad,b"]

    async def test_dropped_it_is_passed_over_also_when_the_history_is_folded_again(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        write.names("call-1", "a", "bad", "c")
        async with running(log, sink, tmp_path / "dead.db", Names({"bad"})) as runner:
            await runner.reached(log.head())
            runner.dead_letters.drop("names", Position(0, 2))
            assert await runner.retry("names", "call-1") == 1
        async with running(log, sink, tmp_path / "dead.db", Names({"bad"})) as runner:
            await runner.reached(write.names("call-1", "d"))
        assert sink.names("call-1") == ["a", "a,c", "a,c,d"]

    async def test_an_unknown_processor_is_named(self, log: MemoryLog, sink: MemorySink, tmp_path: Path) -> None:
        async with running(log, sink, tmp_path / "dead.db") as runner:
            with pytest.raises(KeyError, match="no processor named costs"):
                await runner.retry("costs", "call-1")


class TestASinkThatFails:
    async def test_it_gets_the_same_range_until_it_takes_it(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        tried: list[tuple[int, int]] = []

        def fail_twice(first: int, last: int, rows: Sequence[Rows]) -> None:
            tried.append((first, last))
            if len(tried) < 3:
                raise SinkUnavailable("out of breath")

        sink.before_write = fail_twice
        write.names("call-1", *"abc")
        async with running(log, sink, tmp_path / "dead.db") as runner:
            await runner.reached(log.head())
            assert runner.status()["names"].retries == 2
        assert tried == [(1, 3)] * 3
        assert sink.names("call-1") == ["a", "a,b", "a,b,c"]

    async def test_rows_it_refuses_park_their_event_and_those_behind_also_of_the_next_batch(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        def refuse(first: int, last: int, rows: Sequence[Rows]) -> None:
            faults = {Position(0, row[0]): "names.text is no text" for part in rows for row in part.rows if row[0] == 2}
            if faults:
                raise RowsRejected(faults)

        sink.before_write = refuse
        write.names("call-1", *"abcd")
        write.names("call-2", *"xyz")
        write.names("call-1", "e")
        async with running(log, sink, tmp_path / "dead.db") as runner:
            await runner.reached(log.head())
            parked = runner.dead_letters.list()
        assert [(letter.position.ordinal, letter.reason) for letter in parked] == [
            (2, "names.text is no text"),
            *((ordinal, BEHIND) for ordinal in (3, 4, 8)),
        ]
        assert (sink.names("call-1"), sink.names("call-2")) == (["a"], ["x", "x,y", "x,y,z"])

    async def test_stopping_does_not_wait_for_a_sink_that_is_away_and_loses_nothing(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        tried = threading.Event()

        def away(first: int, last: int, rows: Sequence[Rows]) -> None:
            tried.set()
            raise SinkUnavailable("away")

        sink.before_write = away
        last = write.names("call-1", *"abc")
        async with running(log, sink, tmp_path / "dead.db"):
            await asyncio.to_thread(tried.wait)
        assert sink.position == 0
        sink.before_write = lambda first, last, rows: None
        async with running(log, sink, tmp_path / "dead.db") as runner:
            await runner.reached(last)
        assert sink.names("call-1") == ["a", "a,b", "a,b,c"]

    async def test_a_mistake_in_the_sink_ends_the_pipeline_loudly(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        def broken(first: int, last: int, rows: Sequence[Rows]) -> None:
            raise ValueError("range leaves a gap")

        sink.before_write = broken
        last = write.names("call-1", "a")
        dead_letters = DeadLetters(tmp_path / "dead.db")
        pipeline = Pipeline("names", (Names(),), sink, window_seconds=0.001)
        runner = EmbeddedRunner(log, [pipeline], dead_letters, clock=lambda: NOW)
        await runner.start()
        with pytest.raises(ValueError, match="leaves a gap"):
            await asyncio.wait_for(runner.reached(last), 20)
        assert runner.status()["names"].failure == "range leaves a gap"
        with pytest.raises(ValueError, match="leaves a gap"):
            await runner.stop()
        dead_letters.close()


async def test_a_log_that_is_away_for_a_while_is_read_on_afterwards(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    log.away = True
    async with running(log, sink, tmp_path / "dead.db") as runner:
        last = write.names("call-1", "a")
        log.away = False
        await runner.reached(last)
    assert sink.names("call-1") == ["a"]


async def test_the_batch_in_hand_is_finished_before_it_stops(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(first: int, last: int, rows: Sequence[Rows]) -> None:
        begun.set()
        go_on.wait()

    sink.before_write = hold
    write.names("call-1", "a", "b")
    async with running(log, sink, tmp_path / "dead.db") as runner:
        await asyncio.to_thread(begun.wait)
        stopping = asyncio.create_task(runner.stop())
        go_on.set()
        await stopping
        assert sink.names("call-1") == ["a", "a,b"]


async def test_the_lag_is_told_in_events_and_in_the_age_of_the_oldest(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(first: int, last: int, rows: Sequence[Rows]) -> None:
        begun.set()
        go_on.wait()

    sink.before_write = hold
    write.names("call-1", "a", "b", "c")
    async with running(log, sink, tmp_path / "dead.db") as runner:
        await asyncio.to_thread(begun.wait)
        behind = runner.status()["names"]
        go_on.set()
        await runner.reached(log.head())
        done = runner.status()["names"]
    assert (behind.lag.events, behind.lag.seconds) == (3, 30.0)
    assert (done.lag.events, done.lag.seconds, done.position) == (0, 0.0, Position(0, 3))
    assert (done.events, done.batches, done.rows) == (3, 1, 3)


async def test_waiting_for_a_position_ends_when_the_runner_stops(
    log: MemoryLog, sink: MemorySink, tmp_path: Path
) -> None:
    async with running(log, sink, tmp_path / "dead.db") as runner:
        waiting = asyncio.create_task(runner.reached(Position(0, 9)))
        await asyncio.sleep(0)
        await runner.stop()
        with pytest.raises(RuntimeError, match="was stopped before it got there"):
            await waiting


async def test_a_processor_whose_effects_leave_no_trace_resumes_from_its_checkpoint(
    log: MemoryLog, write: Writer, tmp_path: Path
) -> None:
    delivered: list[str] = []

    def deliver(rows: Sequence[Rows]) -> None:
        delivered.extend(row[2] for part in rows for row in part.rows)

    for name in "abc":
        last = write.names("call-1", name)
        checkpoints = Checkpoints(tmp_path / "checkpoints.db")
        async with running(log, CheckpointedSink("names", checkpoints, deliver), tmp_path / "dead.db") as runner:
            await runner.reached(last)
        assert checkpoints.position("names", 0) == last
        checkpoints.close()
    assert delivered == ["a", "a,b", "a,b,c"]


def test_a_checkpoint_never_goes_back(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints.db")
    checkpoints.advance("names", Position(0, 9))
    checkpoints.advance("names", Position(0, 4))
    assert checkpoints.position("names", 0) == Position(0, 9)
    assert checkpoints.position("costs", 0) == Position(0, 0)
    checkpoints.close()

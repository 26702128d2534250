"""Given processors over a log, then each event is folded once and in order, across stops and restarts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.call.events import CallEnded
from domain.log.position import Position
from domain.processing import Rows
from streams.processing.checkpoints import CheckpointedSink, Checkpoints
from tests.unit.streams.memory_log import MemoryLog
from tests.unit.streams.running import MemorySink, Writer, running


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

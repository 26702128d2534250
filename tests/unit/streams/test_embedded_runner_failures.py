"""Given events, sinks or logs that fail, then a runner parks or waits, and loses and repeats nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.log.codec import BodyPruned
from domain.log.ports import LogUnavailable, Positioned
from domain.log.position import Position
from domain.processing import DeadLetter, Rows, RowsRejected, RunnerStopped, SinkUnavailable
from streams.processing.dead_letters import BEHIND, DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline
from streams.processing.pipeline_worker import GONE
from tests.patience import PATIENCE_S
from tests.unit.streams.memory_log import MemoryLog
from tests.unit.streams.running import NOW, MemorySink, Names, Writer, running


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

    async def test_one_whose_history_cannot_be_read_stays_and_the_others_go_on(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def pruned(originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
            raise BodyPruned(originator_id, 1)

        write.names("call-1", "a", "bad")
        async with running(log, sink, tmp_path / "dead.db", Names({"bad"})) as runner:
            await runner.reached(log.head())
            monkeypatch.setattr(log, "history", pruned)
            assert await runner.retry("names", "call-1") == 0
            [letter] = runner.dead_letters.list()
            assert "read it from the archive" in letter.reason
            await runner.reached(write.names("call-2", "x"))
        assert sink.names("call-2") == ["x"]

    async def test_one_that_the_log_does_not_hold_can_only_be_dropped(
        self, log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path
    ) -> None:
        write.names("call-1", "a")
        async with running(log, sink, tmp_path / "dead.db") as runner:
            foreign = Position(0, 99)
            runner.dead_letters.park(
                [DeadLetter(processor="names", originator_id="call-1", position=foreign, reason="why", attempt=1)]
            )
            assert await runner.retry("names", "call-1") == 0
            assert [(letter.reason, letter.attempt) for letter in runner.dead_letters.list()] == [(GONE, 2)]
            runner.dead_letters.drop("names", foreign)
            await runner.reached(write.names("call-1", "b"))
        assert sink.names("call-1") == ["a", "a,b"]

    async def test_whoever_asks_a_stopped_runner_is_told(
        self, log: MemoryLog, sink: MemorySink, tmp_path: Path
    ) -> None:
        async with running(log, sink, tmp_path / "dead.db") as runner:
            await runner.stop()
            with pytest.raises(RunnerStopped):
                await runner.retry("names", "call-1")

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
        begun, go_on = threading.Event(), threading.Event()

        def broken(first: int, last: int, rows: Sequence[Rows]) -> None:
            begun.set()
            assert go_on.wait(PATIENCE_S)
            raise ValueError("range leaves a gap")

        sink.before_write = broken
        last = write.names("call-1", "a")
        dead_letters = DeadLetters(tmp_path / "dead.db")
        pipeline = Pipeline("names", (Names(),), sink, window_seconds=0.001)
        runner = EmbeddedRunner(log, [pipeline], dead_letters, clock=lambda: NOW)
        await runner.start()
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        asked = asyncio.create_task(runner.retry("names", "call-1"))
        # It begins, and asks a pipeline that waits for its write.
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(ValueError, match="leaves a gap"):
            await asyncio.wait_for(runner.reached(last), PATIENCE_S)
        with pytest.raises(ValueError, match="leaves a gap"):
            await asyncio.wait_for(asked, PATIENCE_S)
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


async def test_no_event_is_parked_because_a_history_cannot_be_read_for_a_while(
    log: MemoryLog, write: Writer, sink: MemorySink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write.names("call-1", "a")
    async with running(log, sink, tmp_path / "dead.db") as runner:
        await runner.reached(log.head())
    there, asked = log.history, threading.Event()

    def away(originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
        asked.set()
        raise LogUnavailable("too many open files")

    monkeypatch.setattr(log, "history", away)
    async with running(log, sink, tmp_path / "dead.db") as runner:
        last = write.names("call-1", "b")
        assert await asyncio.to_thread(asked.wait, PATIENCE_S)
        monkeypatch.setattr(log, "history", there)
        await runner.reached(last)
        assert runner.dead_letters.list() == []
    assert sink.names("call-1") == ["a", "a,b"]

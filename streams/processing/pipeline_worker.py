"""Runs one pipeline: the log in batches, folded, written, and what could not be taken set aside."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from domain.log.codec import UNREADABLE, BodyPruned
from domain.log.ports import EventLog, LogUnavailable, Positioned
from domain.log.position import Position
from domain.processing import RowsRejected, SinkUnavailable
from streams.collector import uncollected
from streams.processing.catching_up import CatchingUp
from streams.processing.dead_letters import DeadLetters
from streams.processing.folded_range import FoldedRange, fold_range
from streams.processing.folding import ProcessorFailed
from streams.processing.group import Batch, ProcessorGroup
from streams.processing.pipeline import BACK_OFF_SECONDS, Bulk, Counters, Pipeline

logger = logging.getLogger(__name__)

R = TypeVar("R")

GONE = "its originator's history does not hold it; it can only be dropped"
"""Reason of a letter that was tried again on a log that never had the event, such as an older one put in its place."""


@dataclass(frozen=True)
class _BulkRange:
    """A long range as it was folded in this generation of the group's states."""

    folded: FoldedRange
    generation: int


@dataclass(frozen=True)
class _Redrive:
    """Somebody asked to try parked events of an originator again; ``done`` gets how many were processed."""

    processor: str
    originator_id: str
    done: Future[int]


class PipelineWorker:
    """Runs one pipeline until ``stop``. While a batch is being written the next one is folded."""

    def __init__(
        self,
        pipeline: Pipeline,
        log: EventLog,
        dead_letters: DeadLetters,
        shard: int,
        on_progress: Callable[[Position], None],
    ) -> None:
        self._pipeline = pipeline
        self._sink = pipeline.sink
        self._log = log
        self._dead_letters = dead_letters
        self._shard = shard
        self._on_progress = on_progress
        self._group = self._new_group()
        self._catching_up = _catching_up(pipeline, log, dead_letters, shard)
        self._stopping = asyncio.Event()
        self._asked = asyncio.Event()
        self._hurried = threading.Event()
        self._read_to = self._planned = Position(shard, 0)
        self._redrives: deque[_Redrive] = deque()
        self.counters = Counters()

    async def run(self) -> None:
        """Process from where the sink stands, for ever. After ``stop`` the batch in hand is finished."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"{self._pipeline.name}-sink") as pool:
            self._pool = pool
            while not self._stopping.is_set():
                await self._follow()
                if self._catching_up is not None and not self._stopping.is_set():
                    await self._catching_up.run(self._write_range, self._stopping)
                    # Its states know nothing of what others folded.
                    self._group = self._new_group()

    async def _follow(self) -> None:
        """Fold and write what comes, until ``stop`` or so much has come that others should fold it."""
        writing: asyncio.Task[None] | None = None
        try:
            async for events in self._batches():
                batch = await self._patiently(partial(self._folded, events)) if events else None
                if writing is not None:
                    await writing
                    writing = None
                if batch is not None:
                    writing = asyncio.create_task(self._write(batch))
                    writing.add_done_callback(self._stop_on_failure)
                    # It begins now; with enough on the log the next batch would be folded first.
                    await asyncio.sleep(0)
                if self._redrives:
                    if writing is not None:
                        await writing
                    await self._redrive_asked()
        finally:
            if writing is not None:
                await writing

    def stop(self) -> None:
        """End after the batch in hand. To be called on the worker's own loop."""
        self._stopping.set()

    def hurry(self) -> None:
        """Let a long range end where it is, for ``stop`` to be heard. To be called from any thread."""
        self._hurried.set()

    def _stop_on_failure(self, writing: asyncio.Task[None]) -> None:
        """A write that failed for good must not wait to be noticed until the next event comes."""
        if not writing.cancelled() and writing.exception() is not None:
            self._stopping.set()

    def redrive(self, processor: str, originator_id: str, done: Future[int]) -> None:
        """Try the originator's parked events again, in order. To be called on the worker's own loop."""
        self._redrives.append(_Redrive(processor, originator_id, done))
        self._asked.set()

    def _new_group(self) -> ProcessorGroup:
        pipeline = self._pipeline
        return ProcessorGroup(pipeline.processors, self._log, self._dead_letters, pipeline.state_capacity)

    # Reading

    async def _batches(self) -> AsyncIterator[Sequence[Positioned]]:
        """Contiguous ranges of the log; an empty one is an occasion to do what was asked for."""
        started = False
        failures = 0
        while not self._stopping.is_set():
            try:
                if not started:
                    self._read_to = after = self._sink.resume_from(self._shard)
                    self._on_progress(after)
                    planned = self._sink.planned_end(self._shard)
                    events = self._log.read(after, planned.ordinal - after.ordinal) if planned else ()
                    self._planned = planned or after
                    started = True
                elif self._catching_up is not None and self._catching_up.is_due(self._read_to):
                    return
                else:
                    events = await self._next(self._read_to)
                failures = 0
            except (LogUnavailable, SinkUnavailable) as error:
                await self._back_off(failures, error)
                failures += 1
                continue
            if events:
                self._read_to = events[-1].position
            if events or self._asked.is_set():
                yield events

    async def _next(self, after: Position) -> Sequence[Positioned]:
        """A full batch at once, or what came within the window after the first event."""
        full = self._pipeline.batch_events
        events = self._log.read(after, full)
        if not events:
            events = await self._first(after)
        if not events or len(events) >= full:
            return events
        await self._pause(self._pipeline.window_seconds)
        return [*events, *self._log.read(events[-1].position, full - len(events))]

    async def _first(self, after: Position) -> Sequence[Positioned]:
        """Wait for the log to grow; nothing where something else is to be done first."""
        following = self._log.follow(after)
        grown = asyncio.ensure_future(anext(following, ()))
        others = [asyncio.ensure_future(self._stopping.wait()), asyncio.ensure_future(self._asked.wait())]
        try:
            await asyncio.wait([grown, *others], return_when=asyncio.FIRST_COMPLETED)
            if not grown.done():
                return ()
            events = grown.result()
            if not events:
                # The log was closed under us: nothing will come any more.
                self._stopping.set()
            return events
        finally:
            for wait in (grown, *others):
                wait.cancel()
            await asyncio.gather(grown, *others, return_exceptions=True)
            if isinstance(following, AsyncGenerator):
                await following.aclose()

    # Folding

    def _folded(self, events: Sequence[Positioned]) -> Batch | _BulkRange:
        """A full batch begins a long range where the sink takes such, but none that was planned before a crash."""
        bulk, planned = self._pipeline.bulk, self._planned
        if bulk is None or len(events) < self._pipeline.batch_events or events[0].position <= planned:
            return self._group.fold(events)
        waiting: Sequence[Positioned] = events

        def read(after: Position, limit: int) -> tuple[Sequence[Positioned], Position]:
            nonlocal waiting
            piece, waiting = waiting, ()
            if not piece and not self._hurried.is_set():
                with suppress(LogUnavailable):
                    piece = self._log.read(after, limit)
            return piece, piece[-1].position if piece else after

        before = Position(self._shard, events[0].position.ordinal - 1)
        until = Position(self._shard, before.ordinal + max(bulk.range_events, len(events)))
        try:
            with uncollected():
                folded = fold_range(read, self._group, bulk.encode, before, until)
        except (TypeError, ValueError) as unfit:
            # Row by row shows which event is at fault.
            logger.warning("pipeline.bulk_refused", extra={"pipeline": self._pipeline.name, "error": str(unfit)})
            return self._group.fold_again(events)
        self._read_to = folded.last
        return _BulkRange(folded, self._group.generation)

    # Writing

    async def _write_bulk(self, bulk: Bulk, batch: _BulkRange) -> None:
        """In one go, or, where that fails or does not hold any more, as rows."""
        folded = batch.folded
        if batch.generation == self._group.generation:
            try:
                await self._call_sink(bulk.write, folded.first, folded.last, folded.rows)
            except SinkUnavailable as error:
                logger.warning("pipeline.bulk_refused", extra={"pipeline": self._pipeline.name, "error": str(error)})
            else:
                self._range_written(folded)
                return
        events = await self._again(folded.first, folded.last)
        again = await self._patiently(partial(self._group.fold_again, events)) if events else None
        if again is not None:
            await self._write(again)

    async def _write_range(self, folded: FoldedRange) -> None:
        """One that others folded. Raises ``SinkUnavailable``."""
        if self._pipeline.bulk is not None:
            await self._call_sink(self._pipeline.bulk.write, folded.first, folded.last, folded.rows)
            self._range_written(folded)

    async def _again(self, first: Position, last: Position) -> Sequence[Positioned]:
        """The events of a range that was read before; none where it is time to stop."""
        after = Position(first.shard, first.ordinal - 1)
        return await self._patiently(lambda: self._log.read(after, last.ordinal - first.ordinal + 1)) or ()

    async def _write(self, batch: Batch | _BulkRange) -> None:
        """Until the range is in the sink, whatever it takes; only ``stop`` ends the attempts before."""
        if isinstance(batch, _BulkRange):
            if self._pipeline.bulk is not None:
                await self._write_bulk(self._pipeline.bulk, batch)
            return
        failures = 0
        current = await self._patiently(partial(self._group.current, batch))
        while current is not None:
            try:
                await self._call_sink(self._sink.write, current.first, current.last, current.rows)
                self._written(current.last, len(current.events), sum(len(part.rows) for part in current.rows))
                return
            except RowsRejected as rejected:
                current = await self._patiently(partial(self._group.park, current, rejected))
            except SinkUnavailable as error:
                if self._stopping.is_set():
                    return
                self.counters.retries += 1
                self.counters.refused = str(error)
                await self._back_off(failures, error)
                failures += 1

    def _range_written(self, folded: FoldedRange) -> None:
        self._written(folded.last, folded.events, sum(part.count for part in folded.rows.values()))

    def _written(self, last: Position, events: int, rows: int) -> None:
        self.counters.events += events
        self.counters.batches += 1
        self.counters.rows += rows
        self.counters.refused = ""
        self._on_progress(last)

    async def _redrive_asked(self) -> None:
        self._asked.clear()
        while self._redrives:
            redrive = self._redrives.popleft()
            if not redrive.done.set_running_or_notify_cancel():
                # Whoever asked has gone.
                continue
            try:
                processed = await self._redriven(redrive.processor, redrive.originator_id)
            except Exception as error:
                # Whoever asked is to know; what is wrong with the log or the sink is met again by what comes next.
                redrive.done.set_exception(error)
            else:
                redrive.done.set_result(processed)

    async def _redriven(self, processor: str, originator_id: str) -> int:
        """Parked events in order, each written and then settled, up to the first that fails again."""
        folding = self._group.foldings[processor]
        folding.forget(originator_id)
        history: Mapping[Position, Positioned] = {}
        processed = 0
        for letter in self._dead_letters.list(processor, originator_id):
            try:
                history = history or self._history(originator_id)
                if letter.position not in history:
                    raise ProcessorFailed(GONE)
                rows = tuple(folding.apply(history[letter.position]))
                await self._call_sink(self._sink.write, letter.position, letter.position, rows)
            except (ProcessorFailed, RowsRejected) as error:
                folding.forget(originator_id)
                self._dead_letters.fail_again(letter, str(error))
                break
            self._dead_letters.settle(letter)
            processed += 1
        return processed

    def _history(self, originator_id: str) -> Mapping[Position, Positioned]:
        try:
            return {event.position: event for event in self._log.history(originator_id)}
        except (BodyPruned, *UNREADABLE) as problem:
            raise ProcessorFailed(str(problem)) from problem

    async def _call_sink(
        self, write: Callable[[Position, Position, R], None], first: Position, last: Position, rows: R
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, write, first, last, rows)

    # Waiting

    async def _patiently(self, act: Callable[[], R]) -> R | None:
        """What it returns once the log gives what it needs; ``None`` where it is time to stop before that."""
        failures = 0
        while True:
            try:
                return act()
            except LogUnavailable as error:
                if self._stopping.is_set():
                    return None
                await self._back_off(failures, error)
                failures += 1

    async def _back_off(self, failures: int, error: Exception) -> None:
        logger.warning(
            "pipeline.waiting", extra={"pipeline": self._pipeline.name, "attempt": failures + 1, "error": str(error)}
        )
        await self._pause(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])

    async def _pause(self, seconds: float) -> None:
        """Unless asked to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _catching_up(pipeline: Pipeline, log: EventLog, dead_letters: DeadLetters, shard: int) -> CatchingUp | None:
    bulk = pipeline.bulk
    if bulk is None or bulk.workers is None:
        return None
    return CatchingUp(
        log,
        pipeline.processors,
        pipeline.sink,
        dead_letters,
        shard,
        encode=bulk.encode,
        workers=bulk.workers,
        range_events=bulk.range_events,
    )

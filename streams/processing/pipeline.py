"""One pipeline: processors that share a sink and so a position, fed from the log in batches."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.log.ports import EventLog, LogUnavailable, Positioned
from domain.log.position import Position
from domain.processing import Processor, Rows, RowSink, RowsRejected, SinkUnavailable
from streams.processing.dead_letters import DeadLetters
from streams.processing.folding import STATE_CAPACITY, ProcessorFailed
from streams.processing.group import Batch, ProcessorGroup

logger = logging.getLogger(__name__)

BATCH_EVENTS = 32_768
"""Events after which a batch is full. Only catching up fills one: an insert costs the engine about 10 ms of processor
time whatever its size, which was half of all inserting at 8,192 events a batch. More make a catching-up row wait."""

WINDOW_SECONDS = 0.1
"""How long a batch that is not full waits for more events. Most of the time until a row can be seen is this."""

BACK_OFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts at a sink or log that is away; the last one repeats."""


class Counters(msgspec.Struct):
    """What a pipeline has done since it was started."""

    events: int = 0
    batches: int = 0
    rows: int = 0
    retries: int = 0


@dataclass(frozen=True)
class Pipeline:
    """``processors`` see every event in order; their rows of one range go to ``sink`` in one write."""

    name: str
    processors: tuple[Processor[Any], ...]
    sink: RowSink
    batch_events: int = BATCH_EVENTS
    window_seconds: float = WINDOW_SECONDS
    state_capacity: int = STATE_CAPACITY


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
        self._group = ProcessorGroup(pipeline.processors, log, dead_letters, pipeline.state_capacity)
        self._stopping = asyncio.Event()
        self._asked = asyncio.Event()
        self._redrives: deque[_Redrive] = deque()
        self.counters = Counters()

    async def run(self) -> None:
        """Process from where the sink stands, for ever. After ``stop`` the batch in hand is finished."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"{self._pipeline.name}-sink") as pool:
            self._pool = pool
            writing: asyncio.Task[None] | None = None
            try:
                async for events in self._batches():
                    batch = self._group.fold(events) if events else None
                    if writing is not None:
                        await writing
                        writing = None
                    if batch is not None:
                        writing = asyncio.create_task(self._write(batch))
                        writing.add_done_callback(self._stop_on_failure)
                    if self._redrives:
                        if writing is not None:
                            await writing
                        await self._redrive_asked()
            finally:
                if writing is not None:
                    await writing
                for redrive in self._redrives:
                    redrive.done.cancel()

    def stop(self) -> None:
        """End after the batch in hand. To be called on the worker's own loop."""
        self._stopping.set()

    def _stop_on_failure(self, writing: asyncio.Task[None]) -> None:
        """A write that failed for good must not wait to be noticed until the next event comes."""
        if not writing.cancelled() and writing.exception() is not None:
            self._stopping.set()

    def redrive(self, processor: str, originator_id: str, done: Future[int]) -> None:
        """Try the originator's parked events again, in order. To be called on the worker's own loop."""
        self._redrives.append(_Redrive(processor, originator_id, done))
        self._asked.set()

    # Reading

    async def _batches(self) -> AsyncIterator[Sequence[Positioned]]:
        """Contiguous ranges of the log; an empty one is an occasion to do what was asked for."""
        after: Position | None = None
        failures = 0
        while not self._stopping.is_set():
            try:
                if after is None:
                    after = self._sink.resume_from(self._shard)
                    self._on_progress(after)
                    planned = self._sink.planned_end(self._shard)
                    events = self._log.read(after, planned.ordinal - after.ordinal) if planned else ()
                else:
                    events = await self._next(after)
                failures = 0
            except (LogUnavailable, SinkUnavailable) as error:
                await self._back_off(failures, error)
                failures += 1
                continue
            if events:
                after = events[-1].position
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

    # Writing

    async def _write(self, batch: Batch) -> None:
        """Until the range is in the sink, whatever it takes; only ``stop`` ends the attempts before."""
        failures = 0
        batch = self._group.current(batch)
        while True:
            try:
                await self._in_sink_thread(batch.first, batch.last, batch.rows)
                break
            except RowsRejected as rejected:
                batch = self._group.park(batch, rejected)
            except SinkUnavailable as error:
                if self._stopping.is_set():
                    return
                self.counters.retries += 1
                await self._back_off(failures, error)
                failures += 1
        self.counters.events += len(batch.events)
        self.counters.batches += 1
        self.counters.rows += sum(len(part.rows) for part in batch.rows)
        self._on_progress(batch.last)

    async def _redrive_asked(self) -> None:
        self._asked.clear()
        while self._redrives:
            redrive = self._redrives.popleft()
            try:
                processed = await self._redriven(redrive.processor, redrive.originator_id)
            except (SinkUnavailable, LogUnavailable) as error:
                redrive.done.set_exception(error)
            else:
                redrive.done.set_result(processed)

    async def _redriven(self, processor: str, originator_id: str) -> int:
        """Parked events in order, each written and then settled, up to the first that fails again."""
        folding = self._group.foldings[processor]
        folding.forget(originator_id)
        history = {event.position: event for event in self._log.history(originator_id)}
        processed = 0
        for letter in self._dead_letters.list(processor, originator_id):
            try:
                rows = tuple(folding.apply(history[letter.position]))
                await self._in_sink_thread(letter.position, letter.position, rows)
            except (ProcessorFailed, RowsRejected) as error:
                folding.forget(originator_id)
                self._dead_letters.fail_again(letter, str(error))
                break
            self._dead_letters.settle(letter)
            processed += 1
        return processed

    async def _in_sink_thread(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, self._sink.write, first, last, rows)

    # Waiting

    async def _back_off(self, failures: int, error: Exception) -> None:
        logger.warning(
            "pipeline.waiting", extra={"pipeline": self._pipeline.name, "attempt": failures + 1, "error": str(error)}
        )
        await self._pause(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])

    async def _pause(self, seconds: float) -> None:
        """Unless asked to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

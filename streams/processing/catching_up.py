"""The way of a pipeline that is far behind, up to where the log ends: processes of their own fold it.

Folding is bound to one core by the interpreter's lock, and in a process that serves calls it is they who would wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from domain.log.ports import EventLog, LogUnavailable
from domain.log.position import Position
from domain.processing import Processor, RowSink, SinkUnavailable
from streams.processing.dead_letters import DeadLetters
from streams.processing.fold_worker import WorkerFailed
from streams.processing.fold_workers import FoldWorkers, Workers
from streams.processing.folded_range import Encode, FoldedRange

logger = logging.getLogger(__name__)

Write = Callable[[FoldedRange], Awaitable[None]]


class CatchingUp:
    """For one pipeline and shard. What is out of the ordinary (an event that fails, rows that are refused, a worker
    that dies, events that are parked) is left to the pipeline itself, which goes on from where the sink stands."""

    def __init__(
        self,
        log: EventLog,
        processors: Sequence[Processor[Any]],
        sink: RowSink,
        dead_letters: DeadLetters,
        shard: int,
        *,
        encode: Encode,
        workers: Workers,
        range_events: int,
    ) -> None:
        self._log = log
        self._processors = tuple(processors)
        self._sink = sink
        self._dead_letters = dead_letters
        self._shard = shard
        self._encode = encode
        self._workers = workers
        self._range_events = range_events
        self._tried = Position(shard, 0)
        """How far it was to go last time."""

    def is_due(self, position: Position) -> bool:
        """Whether a pipeline that stands there should let this run. Where it did not get through last time the
        pipeline does that stretch by itself. Raises ``LogUnavailable``."""
        behind = self._log.head(self._shard).ordinal - position.ordinal
        return position >= self._tried and behind >= self._workers.worthwhile_events

    async def run(self, write: Write, stopping: asyncio.Event) -> None:
        """Up to where the log ends now, or as far as it goes without trouble. Raises what ``write`` raises but
        ``SinkUnavailable``."""
        try:
            after, until = self._sink.resume_from(self._shard), self._log.head(self._shard)
            self._tried = until
            if self._sink.planned_end(self._shard) is not None or self._are_parked():
                return
            logger.info("pipeline.catches_up", extra={"after": str(after), "until": str(until)})
            await self._run(after, until, write, stopping)
        except (WorkerFailed, SinkUnavailable, LogUnavailable) as problem:
            logger.warning("pipeline.continues_in_process", extra={"error": str(problem)})

    def _are_parked(self) -> bool:
        """Whether events wait, and so all behind them of their originators, of which workers know nothing."""
        names = {processor.name for processor in self._processors}
        return any(letter.processor in names for letter in self._dead_letters.list())

    async def _run(self, after: Position, until: Position, write: Write, stopping: asyncio.Event) -> None:
        dropped = self._dead_letters.dropped
        folding = FoldWorkers(self._workers, self._processors, self._encode, dropped, after, until, self._range_events)
        writing: asyncio.Future[None] | None = None
        with folding:
            try:
                while after < until:
                    folded = await _received(folding, stopping)
                    if writing is not None:
                        await writing
                        writing = None
                    if folded is None or folded.failed:
                        return
                    after = folded.last
                    writing = asyncio.ensure_future(write(folded))
            finally:
                if writing is not None:
                    await writing


async def _received(folding: FoldWorkers, stopping: asyncio.Event) -> FoldedRange | None:
    """The next range; none where it is time to stop."""
    receiving = asyncio.ensure_future(asyncio.to_thread(folding.receive))
    asked = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((receiving, asked), return_when=asyncio.FIRST_COMPLETED)
        if receiving.done():
            return receiving.result()
        return None
    finally:
        asked.cancel()
        if not receiving.done():
            folding.end()
            with suppress(WorkerFailed):
                await receiving

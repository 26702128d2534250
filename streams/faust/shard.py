"""One shard while it is assigned to this process: delivered records open its gate, and are acknowledged once done."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from domain.log.ports import Clock, EventLog, LogUnavailable
from domain.log.position import Position
from domain.processing import SinkUnavailable
from streams.faust.gate import GatedLog
from streams.faust.membership import Delivered
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner, PipelineStatus
from streams.processing.pipeline import BACK_OFF_SECONDS, Pipeline

logger = logging.getLogger(__name__)

REPLICA_SECONDS = 5.0
"""How long the replica may take to apply a record that Faust has delivered before that is told; waiting goes on."""


class Verdicts(EventLog, Protocol):
    """A log of which every record's place is known, with what it came to."""

    def position_at(self, shard: int, offset: int, timeout_s: float) -> Position | None:
        """The last position that the records up to ``offset`` came to; ``None`` if this node is not there in time.

        Blocking. Raises ``LogUnavailable`` where it never will be.
        """


class AssignedShard:
    """A pipeline's runner over what Faust delivers of one shard. Start once, stop once, on Faust's loop.

    ``ready`` is awaited before anything is read: tables and dead letters must be what the former owner left.
    ``failed`` is told what ended it: nothing is acknowledged any more then, so that nothing can be passed over.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        log: Verdicts,
        dead_letters: DeadLetters,
        shard: int,
        *,
        clock: Clock,
        ready: Callable[[], Awaitable[None]],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._pipeline = pipeline
        self._log = log
        self._dead_letters = dead_letters
        self._shard = shard
        self._clock = clock
        self._ready = ready
        self._failed = failed
        self._waiting: deque[Delivered] = deque()
        self._came = asyncio.Event()
        self._opened: asyncio.Queue[tuple[Position, list[Delivered]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._begun: asyncio.Future[EmbeddedRunner] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        """Begin where the sink stands, whatever Faust begins with."""
        self._task = asyncio.create_task(self._run(), name=f"shard-{self._shard}-{self._pipeline.name}")

    def deliver(self, record: Delivered) -> None:
        """Records in the order of their offsets. What comes twice is acknowledged twice and processed once."""
        self._waiting.append(record)
        self._came.set()

    async def stop(self) -> None:
        """Finish the batch in hand; what was not finished is not acknowledged."""
        self._begun.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def retry(self, processor: str, originator_id: str) -> int:
        """See ``EmbeddedRunner.retry``. Raises ``LogUnavailable`` where the shard has not begun yet."""
        if self._runner is None:
            raise LogUnavailable(f"shard {self._shard} is just being taken over; try again")
        return await self._runner.retry(processor, originator_id)

    async def reached(self, position: Position) -> None:
        """See ``EmbeddedRunner.reached``."""
        await (await asyncio.shield(self._begun)).reached(position)

    def status(self) -> PipelineStatus | None:
        """What an operator asks; ``None`` where the shard has not begun yet."""
        return self._runner.status()[self._pipeline.name] if self._runner is not None else None

    @property
    def _runner(self) -> EmbeddedRunner | None:
        return self._begun.result() if self._begun.done() and not self._begun.cancelled() else None

    async def _run(self) -> None:
        try:
            await self._ready()
            gate = GatedLog(self._log, await self._start_of_gate())
            runner = EmbeddedRunner(gate, [self._pipeline], self._dead_letters, clock=self._clock, shard=self._shard)
            await runner.start()
            self._begun.set_result(runner)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._open(gate))
                    group.create_task(self._acknowledge(runner))
            finally:
                await runner.stop()
        except asyncio.CancelledError:
            raise
        except BaseException as failure:
            logger.exception("faust.shard_failed", extra={"shard": self._shard, "pipeline": self._pipeline.name})
            self._failed(failure)

    async def _start_of_gate(self) -> Position:
        """What the log held when the shard was taken over, and at least a range that was begun before a crash: that
        has to be sent again whole."""
        attempt = 0
        while True:
            try:
                sink = self._pipeline.sink
                reached = await asyncio.to_thread(sink.resume_from, self._shard)
                start = await asyncio.to_thread(sink.planned_end, self._shard) or reached
                if self._log.head(self._shard) >= start or await self._log.wait_for(start, REPLICA_SECONDS):
                    return max(start, self._log.head(self._shard))
                logger.warning("faust.replica_behind", extra={"shard": self._shard, "position": str(start)})
            except (SinkUnavailable, LogUnavailable) as error:
                logger.warning("faust.waiting", extra={"shard": self._shard, "error": str(error)})
                await asyncio.sleep(BACK_OFF_SECONDS[min(attempt, len(BACK_OFF_SECONDS) - 1)])
                attempt += 1

    async def _open(self, gate: GatedLog) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            records = list(self._waiting)
            self._waiting.clear()
            newest = max(record.offset for record in records)
            position = await self._position_at(newest)
            gate.open_to(position)
            self._opened.put_nowait((position, records))

    async def _position_at(self, offset: int) -> Position:
        while True:
            found = await asyncio.to_thread(self._log.position_at, self._shard, offset, REPLICA_SECONDS)
            if found is not None:
                return found
            logger.warning("faust.replica_behind", extra={"shard": self._shard, "offset": offset})

    async def _acknowledge(self, runner: EmbeddedRunner) -> None:
        while True:
            position, records = await self._opened.get()
            await runner.reached(position)
            for record in records:
                record.acknowledge()

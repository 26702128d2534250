"""The embedded runner: hosts pipelines on threads of this process, each with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError

import msgspec

from domain.log.ports import Clock, EventLog
from domain.log.position import Position
from domain.processing import RunnerStopped
from streams.processing.dead_letters import DeadLetters
from streams.processing.pipeline import Counters, Pipeline
from streams.processing.pipeline_worker import PipelineWorker

logger = logging.getLogger(__name__)


class Lag(msgspec.Struct, frozen=True):
    """``callfold_stream_lag_events`` and ``callfold_stream_lag_seconds``: events on the log that the sink has not
    got yet, and the age of the oldest of them."""

    events: int
    seconds: float


class PipelineStatus(msgspec.Struct, frozen=True):
    """What an operator asks of a pipeline. ``refused`` is why its sink takes nothing at present, ``failure`` why it
    stopped by itself, if it did."""

    position: Position
    lag: Lag
    parked: int
    events: int
    batches: int
    rows: int
    retries: int
    refused: str = ""
    failure: str | None = None


class EmbeddedRunner:
    """Start once, stop once. The threads keep folding and inserting off the loop that serves calls."""

    def __init__(
        self, log: EventLog, pipelines: Sequence[Pipeline], dead_letters: DeadLetters, *, clock: Clock, shard: int = 0
    ) -> None:
        self._log = log
        self._clock = clock
        self._shard = shard
        self.dead_letters = dead_letters
        self._hosts = {pipeline.name: _Host(pipeline, log, dead_letters, shard) for pipeline in pipelines}

    async def start(self) -> None:
        """Begin where each sink stands."""
        for host in self._hosts.values():
            host.thread.start()

    async def stop(self) -> None:
        """Finish the batches in hand and end the threads. Raises what ended a pipeline before it was asked to."""
        for host in self._hosts.values():
            await asyncio.to_thread(host.stop)
        for host in self._hosts.values():
            if host.failure is not None:
                raise host.failure

    async def reached(self, position: Position, pipeline: str | None = None) -> None:
        """Wait until the rows of everything up to ``position`` can be read. Bound it with ``asyncio.timeout``.

        Raises what ended the pipeline, should it end before.
        """
        for name, host in self._hosts.items():
            if pipeline in (None, name):
                await asyncio.wrap_future(host.reached(position))

    async def retry(self, processor: str, originator_id: str) -> int:
        """Try the parked events of an originator again, in order; how many were processed.

        It ends at the first one that fails again. Raises ``KeyError`` for an unknown processor,
        ``SinkUnavailable``, ``LogUnavailable`` and ``RunnerStopped`` (what was processed until then is settled).
        """
        for host in self._hosts.values():
            if processor in {hosted.name for hosted in host.pipeline.processors}:
                return await asyncio.wrap_future(host.redrive(processor, originator_id))
        raise KeyError(f"no processor named {processor} is hosted here")

    def status(self) -> dict[str, PipelineStatus]:
        """A snapshot by pipeline."""
        head = self._log.head(self._shard)
        return {name: self._status(host, head) for name, host in self._hosts.items()}

    def _status(self, host: _Host, head: Position) -> PipelineStatus:
        waiting = self._log.read(host.position, 1) if host.position < head else ()
        age = (self._clock() - waiting[0].recorded.time).total_seconds() if waiting else 0.0
        counters = host.counters
        names = {processor.name for processor in host.pipeline.processors}
        return PipelineStatus(
            position=host.position,
            lag=Lag(max(head.ordinal - host.position.ordinal, 0), max(age, 0.0)),
            parked=sum(1 for letter in self.dead_letters.list() if letter.processor in names),
            events=counters.events,
            batches=counters.batches,
            rows=counters.rows,
            retries=counters.retries,
            refused=counters.refused,
            failure=None if host.failure is None else str(host.failure),
        )


class _Host:
    """The thread of one pipeline, and what other threads may ask of it."""

    def __init__(self, pipeline: Pipeline, log: EventLog, dead_letters: DeadLetters, shard: int) -> None:
        self.pipeline = pipeline
        self.thread = threading.Thread(target=self._run, name=f"pipeline-{pipeline.name}", daemon=True)
        self.position = Position(shard, 0)
        self.failure: BaseException | None = None
        self._arguments = (pipeline, log, dead_letters, shard, self._progressed)
        self._guard = threading.Lock()
        self._waiting: list[tuple[Position, Future[None]]] = []
        self._redrives: set[Future[int]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: PipelineWorker | None = None
        self._ready = threading.Event()
        self._ended = False

    @property
    def counters(self) -> Counters:
        return self._worker.counters if self._worker is not None else Counters()

    def stop(self) -> None:
        if self.thread.ident is None:
            return
        self._ready.wait()
        if self._worker is not None:
            self._worker.hurry()
        self._call(lambda worker: worker.stop())
        self.thread.join()

    def reached(self, position: Position) -> Future[None]:
        waiter: Future[None] = Future()
        with self._guard:
            if self._ended:
                waiter.set_exception(self.failure or RunnerStopped(f"pipeline {self.pipeline.name} was stopped"))
            elif self.position >= position:
                waiter.set_result(None)
            else:
                self._waiting.append((position, waiter))
        return waiter

    def redrive(self, processor: str, originator_id: str) -> Future[int]:
        done: Future[int] = Future()
        self._redrives.add(done)
        done.add_done_callback(self._redrives.discard)
        if not self._call(lambda worker: worker.redrive(processor, originator_id, done)):
            self._end_redrives()
        return done

    def _call(self, what: Callable[[PipelineWorker], None]) -> bool:
        with self._guard:
            if self._loop is None or self._worker is None or self._ended:
                return False
            self._loop.call_soon_threadsafe(what, self._worker)
            return True

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            # Kept for whoever waits on this pipeline; EmbeddedRunner.stop raises it again.
            self.failure = error
            logger.exception("pipeline.failed", extra={"pipeline": self.pipeline.name})
        finally:
            self._ready.set()
            with self._guard:
                self._ended = True
                waiting, self._waiting = self._waiting, []
            for _, waiter in waiting:
                if waiter.set_running_or_notify_cancel():
                    waiter.set_exception(
                        self.failure or RunnerStopped(f"pipeline {self.pipeline.name} was stopped before it got there")
                    )
            self._end_redrives()

    def _end_redrives(self) -> None:
        """Also those that had come to the worker's loop, but not to the worker."""
        for done in list(self._redrives):
            # Unless whoever asked has gone this moment.
            with contextlib.suppress(InvalidStateError):
                done.set_exception(self.failure or RunnerStopped(f"pipeline {self.pipeline.name} does not run"))

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = PipelineWorker(*self._arguments)
        self._ready.set()
        await self._worker.run()

    def _progressed(self, position: Position) -> None:
        with self._guard:
            self.position = position
            passed = [waiter for wanted, waiter in self._waiting if wanted <= position]
            self._waiting = [entry for entry in self._waiting if entry[0] > position]
        for waiter in passed:
            if waiter.set_running_or_notify_cancel():
                waiter.set_result(None)

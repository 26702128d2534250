"""``callfold stream``: every processor that is shared out among processes, hosted on Faust over the log on Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.log.ports import LogUnavailable
from domain.processing import DeadLetter, RunnerStopped, SinkUnavailable
from infra.data_folder import Seat
from infra.identifiers import now, random_id
from infra.settings import Settings
from infra.storage import Storage
from media.call.leases import process_name
from streams.faust.app import quiet_app
from streams.faust.dead_topic import DeadTopic, RetryRequest
from streams.faust.fragments import FaustFragments
from streams.faust.live_table import LiveTable
from streams.faust.runner import FaustRunner
from streams.kafka.location import KafkaLocation
from streams.live_figures.facts import LiveFacts
from streams.live_figures.media_entries import fold_media
from streams.live_figures.media_facts import LiveMedia
from streams.live_figures.topic import MEDIA_TOPIC
from streams.log.kafka.log import KafkaLog
from streams.processing.fragments import FragmentPipeline
from streams.processing.pipeline import Pipeline

logger = logging.getLogger(__name__)

LIVE_WINDOW_SECONDS = 1.0
"""How often live figures are published. Each time costs one record for every assistant that had something."""

RETRY_SECONDS = 1.0
"""Before a request is looked at again that could not be carried out just now."""


class Runner(Protocol):
    """One pipeline of this process, on whatever it follows."""

    @property
    def failed(self) -> asyncio.Future[None]: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def retry(self, processor: str, originator_id: str, place: int, /) -> int | None: ...


class Letters(Protocol):
    """What is parked, and what is asked for: ``DeadTopic``."""

    def requests(self) -> list[RetryRequest]: ...

    def list(self, processor: str | None = None, originator_id: str | None = None, /) -> list[DeadLetter]: ...

    def retried(self, request: RetryRequest, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Streaming:
    """The runners of this process; ``failed`` ends when one of them did, with its reason."""

    events: Sequence[FaustRunner]
    fragments: Sequence[FaustFragments]
    letters: DeadTopic

    @property
    def runners(self) -> Sequence[Runner]:
        """All of them."""
        return (*self.events, *self.fragments)

    @property
    def processors(self) -> frozenset[str]:
        """The names of all that are hosted."""
        of_events = {processor.name for runner in self.events for processor in runner.pipeline.processors}
        return frozenset(of_events | {p.name for runner in self.fragments for p in runner.pipeline.processors})

    async def failed(self) -> None:
        """Wait for a runner to end by itself. Raises what ended it."""
        done, _ = await asyncio.wait([runner.failed for runner in self.runners], return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()


@contextlib.asynccontextmanager
async def opened_streaming(settings: Settings, seat: Seat, storage: Storage) -> AsyncIterator[Streaming]:
    """Join the groups of all processors, and carry out retries of parked events. Raises ``LogUnavailable``."""
    location, log = settings.kafka, storage.log
    assert location is not None, "infra.roles.check asks for a log on Kafka"
    assert isinstance(log, KafkaLog), "which is opened as one"
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def changed() -> None:
        # Also called while the process ends, when nobody waits on the loop any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(asked.set)

    async with contextlib.AsyncExitStack() as parts:
        letters = await asyncio.to_thread(
            DeadTopic.open, location, writer=f"{process_name()}-{random_id()}", changed=changed
        )
        parts.push_async_callback(asyncio.to_thread, letters.close)

        async def taking_over() -> None:
            await asyncio.to_thread(letters.catch_up)
            asked.set()

        streaming = Streaming(
            (_live_figures(location, seat, log, letters, taking_over),),
            (_live_media(location, seat, storage, letters, taking_over),),
            letters,
        )
        async with asyncio.TaskGroup() as starting:
            for runner in streaming.runners:
                parts.push_async_callback(runner.stop)
                starting.create_task(runner.start())
        retrying = asyncio.create_task(carrying_out(streaming.runners, letters, asked))
        parts.push_async_callback(_cancelled, retrying)
        yield streaming


def _live_figures(
    location: KafkaLocation, seat: Seat, log: KafkaLog, letters: DeadTopic, taking_over: Callable[[], Awaitable[None]]
) -> FaustRunner:
    app = quiet_app(location, "live-figures", seat.replica / "faust")
    pipeline = Pipeline(
        "live-figures", (LiveFacts(),), LiveTable(app, location, len(log.shards)), window_seconds=LIVE_WINDOW_SECONDS
    )
    return FaustRunner(app, location, pipeline, log, letters, clock=now, taking_over=taking_over)


def _live_media(
    location: KafkaLocation,
    seat: Seat,
    storage: Storage,
    letters: DeadTopic,
    taking_over: Callable[[], Awaitable[None]],
) -> FaustFragments:
    app = quiet_app(location, "live-media", seat.replica / "faust-media")
    table = LiveTable(app, location, len(storage.fragments.partitions), topic=MEDIA_TOPIC, fold=fold_media)
    pipeline = FragmentPipeline("live-media", (LiveMedia(),), table, pause_seconds=LIVE_WINDOW_SECONDS)
    return FaustFragments(app, location, pipeline, storage.fragments, letters, clock=now, taking_over=taking_over)


async def carrying_out(runners: Sequence[Runner], letters: Letters, asked: asyncio.Event) -> None:
    """Carry out what operators ask for, where the originator's shard is worked on here. For ever."""
    while True:
        await asked.wait()
        asked.clear()
        for request in letters.requests():
            held = letters.list(request.processor, request.originator_id)
            try:
                if not held:
                    # Dropped or settled since; who asked is waiting all the same.
                    await asyncio.to_thread(letters.retried, request)
                for runner in runners if held else ():
                    processed = await runner.retry(request.processor, request.originator_id, held[0].position.shard)
                    if processed is not None:
                        logger.info("dead.retried", extra={"processor": request.processor, "processed": processed})
                        await asyncio.to_thread(letters.retried, request)
            except (LogUnavailable, SinkUnavailable, RunnerStopped) as problem:
                # The request stands: for this process in a moment, or for whoever takes the shard over.
                asyncio.get_running_loop().call_later(RETRY_SECONDS, asked.set)
                logger.warning("dead.not_retried", extra={"processor": request.processor, "reason": str(problem)})


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

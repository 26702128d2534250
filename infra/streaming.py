"""``callfold stream``: every processor that is shared out among processes, hosted on Faust over the log on Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from domain.log.ports import LogUnavailable
from infra.data_folder import Seat
from infra.identifiers import now, random_id
from infra.settings import Settings
from infra.storage import Storage
from media.call.leases import process_name
from streams.faust.app import quiet_app
from streams.faust.dead_topic import DeadTopic
from streams.faust.live_table import LiveTable
from streams.faust.runner import FaustRunner
from streams.live_figures.facts import LiveFacts
from streams.log.kafka.log import KafkaLog
from streams.processing.pipeline import Pipeline

logger = logging.getLogger(__name__)

LIVE_WINDOW_SECONDS = 1.0
"""How often live figures are published. Each time costs one record for every assistant that had something."""

RETRY_SECONDS = 1.0
"""Before a request is looked at again that could not be carried out just now."""


@dataclass(frozen=True, slots=True)
class Streaming:
    """The runners of this process; ``failed`` ends when one of them did, with its reason."""

    runners: Sequence[FaustRunner]
    letters: DeadTopic

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

        app = quiet_app(location, "live-figures", seat.replica / "faust")
        pipeline = Pipeline(
            "live-figures",
            (LiveFacts(),),
            LiveTable(app, location, len(log.shards)),
            window_seconds=LIVE_WINDOW_SECONDS,
        )
        runners = (FaustRunner(app, location, pipeline, log, letters, clock=now, taking_over=taking_over),)
        for runner in runners:
            await runner.start()
            parts.push_async_callback(runner.stop)
        retrying = asyncio.create_task(_retrying(runners, letters, asked))
        parts.push_async_callback(_cancelled, retrying)
        yield Streaming(runners, letters)


async def _retrying(runners: Sequence[FaustRunner], letters: DeadTopic, asked: asyncio.Event) -> None:
    """Carry out what operators ask for, where the originator's shard is worked on here."""
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
            except LogUnavailable as problem:
                # The request stands: for this process in a moment, or for whoever takes the shard over.
                asyncio.get_running_loop().call_later(RETRY_SECONDS, asked.set)
                logger.warning("dead.not_retried", extra={"processor": request.processor, "reason": str(problem)})


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

"""What goes on right now, in a process that answers for it: live figures, kept here or read, and who keeps them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from domain.live_figures import LiveFigures
from infra.data_folder import Seat
from infra.identifiers import now, random_id
from infra.roles import Role
from infra.settings import Settings
from infra.storage import Storage
from infra.upkeep import HeldInFile, HeldOnTopic
from media.call.leases import process_name
from streams.kafka.location import KafkaLocation
from streams.live_figures.facts import LiveFacts
from streams.live_figures.file import LiveFigureFile
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Live:
    """``runners`` keep the figures here, by shard; without any another process does. ``held`` are dead letters."""

    figures: LiveFigures
    runners: Mapping[int, EmbeddedRunner] = field(default_factory=dict)
    held: tuple[HeldInFile | HeldOnTopic, ...] = ()


@contextlib.asynccontextmanager
async def opened_live(settings: Settings, seat: Seat, role: Role, storage: Storage) -> AsyncIterator[Live]:
    """Where the log is on Kafka and API processes are of their own, `callfold stream` keeps the figures; else this
    process does. Raises ``LogUnavailable``."""
    async with contextlib.AsyncExitStack() as parts:
        elsewhere = await _on_topics(settings.kafka, storage, parts) if settings.kafka else None
        if elsewhere is not None and role == "api":
            yield elsewhere
            return
        here = await _kept_here(seat, storage, parts)
        yield Live(here.figures, here.runners, (*here.held, *(elsewhere.held if elsewhere else ())))


async def _kept_here(seat: Seat, storage: Storage, parts: contextlib.AsyncExitStack) -> Live:
    letters = DeadLetters(seat.folder.processing)
    parts.callback(letters.close)
    # Beside other seats' files: each process that keeps figures keeps all of them.
    file = LiveFigureFile(seat.folder.root / f"live-figures-{seat.name}.db")
    parts.callback(file.close)
    runners = {}
    for shard in storage.shards():
        pipeline = Pipeline("live-figures", (LiveFacts(),), file)
        runners[shard] = EmbeddedRunner(storage.log, [pipeline], letters, clock=now, shard=shard)
        await runners[shard].start()
        parts.push_async_callback(runners[shard].stop)
    return Live(file, runners, (HeldInFile(runners, letters, frozenset({LiveFacts().name})),))


async def _on_topics(location: KafkaLocation, storage: Storage, parts: contextlib.AsyncExitStack) -> Live:
    # The clients cost time and memory that a log in a file does not need.
    from streams.faust.dead_topic import DeadTopic
    from streams.live_figures.topic import LiveFigureTopic

    letters = await asyncio.to_thread(DeadTopic.open, location, writer=f"{process_name()}-{random_id()}")
    parts.push_async_callback(asyncio.to_thread, letters.close)
    topic = await asyncio.to_thread(LiveFigureTopic.open, location, storage.shards())
    parts.push_async_callback(asyncio.to_thread, topic.close)
    return Live(topic, held=(HeldOnTopic(letters, random_id, frozenset({LiveFacts().name})),))

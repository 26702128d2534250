"""What goes on right now, in a process that answers for it: live figures, kept here or read, and who keeps them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.live_figures import LiveFigures
from infra.data_folder import Seat
from infra.identifiers import now, random_id
from infra.roles import Role
from infra.settings import Settings
from infra.storage import Storage
from infra.upkeep import HeldInFile, HeldOnTopic
from media.call.leases import process_name
from streams.kafka.location import KafkaLocation
from streams.live_figures.entries import Fold, fold
from streams.live_figures.facts import LiveFacts
from streams.live_figures.file import LiveFigureFile
from streams.live_figures.kept import KeptFigures
from streams.live_figures.media_entries import fold_media
from streams.live_figures.media_facts import LiveMedia
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.feeding import FragmentFollower
from streams.processing.fragments import FragmentPipeline
from streams.processing.pipeline import Pipeline

PROCESSORS = frozenset({LiveFacts().name, LiveMedia().name})
"""Names of those that `callfold stream` hosts where the log is on Kafka."""


@dataclass(frozen=True, slots=True)
class Live:
    """``runners`` keep the figures of calls here, by shard, and ``fragments`` those of their media; without any another
    process does. ``held`` are dead letters."""

    figures: LiveFigures
    runners: Mapping[int, EmbeddedRunner] = field(default_factory=dict)
    fragments: tuple[FragmentFollower, ...] = ()
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
        yield replace(here, held=(*here.held, *(elsewhere.held if elsewhere else ())))


async def _kept_here(seat: Seat, storage: Storage, parts: contextlib.AsyncExitStack) -> Live:
    letters = DeadLetters(seat.folder.processing)
    parts.callback(letters.close)

    def kept(name: str, version: int, fold: Fold) -> LiveFigureFile:
        # Beside other seats' files: each process that keeps figures keeps all of them.
        file = LiveFigureFile(seat.folder.root / f"{name}-{seat.name}.db", version=version, fold=fold)
        parts.callback(file.close)
        return file

    calls, media = LiveFacts(), LiveMedia()
    of_calls, of_media = kept("live-figures", calls.version, fold), kept("live-media", media.version, fold_media)
    runners = {}
    for shard in storage.shards():
        pipeline = Pipeline("live-figures", (calls,), of_calls)
        runners[shard] = EmbeddedRunner(storage.log, [pipeline], letters, clock=now, shard=shard)
        await runners[shard].start()
        parts.push_async_callback(runners[shard].stop)
    follower = FragmentFollower(
        storage.fragments, FragmentPipeline("live-media", (media,), of_media), letters, clock=now
    )
    follower.start()
    parts.push_async_callback(asyncio.to_thread, follower.stop)
    held = (
        HeldInFile(runners, letters, frozenset({calls.name})),
        HeldInFile(dict.fromkeys(storage.fragments.partitions, follower), letters, frozenset({media.name})),
    )
    return Live(KeptFigures(of_calls, of_media), runners, (follower,), held)


async def _on_topics(location: KafkaLocation, storage: Storage, parts: contextlib.AsyncExitStack) -> Live:
    # The clients cost time and memory that a log in a file does not need.
    from streams.faust.dead_topic import DeadTopic
    from streams.live_figures.topic import CALLS_TOPIC, MEDIA_TOPIC, LiveFigureTopic

    letters = await asyncio.to_thread(DeadTopic.open, location, writer=f"{process_name()}-{random_id()}")
    parts.push_async_callback(asyncio.to_thread, letters.close)

    async def followed(topic: str, partitions: Sequence[int]) -> LiveFigureTopic:
        opened = await asyncio.to_thread(LiveFigureTopic.open, location, topic, partitions)
        parts.push_async_callback(asyncio.to_thread, opened.close)
        return opened

    calls = await followed(CALLS_TOPIC, storage.shards())
    media = await followed(MEDIA_TOPIC, storage.fragments.partitions)
    return Live(KeptFigures(calls, media), held=(HeldOnTopic(letters, random_id, PROCESSORS),))

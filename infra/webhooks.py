"""Webhooks put together: the outbox that follows the log, and the dispatcher that empties it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

from api.call_views import CallViews
from api.dependencies import ApiSettings
from domain.egress import EgressPolicy
from domain.processing import Processor
from infra.data_folder import Seat
from infra.egress.sessions import OrganizationSessions
from infra.identifiers import now, random_id
from infra.roles import Addresses
from infra.settings import Settings
from infra.storage import Storage
from infra.upkeep import HeldInFile
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline
from streams.webhooks.addressing import Addressing, RecordedConfigurations
from streams.webhooks.conversations import ChatOutbox, SessionOutbox
from streams.webhooks.credentials import Credentials
from streams.webhooks.dispatcher import Dispatcher, Limits
from streams.webhooks.listening import RecordedDeliveries
from streams.webhooks.outbox import CallOutbox
from streams.webhooks.outcomes import DeliveryOutcomes
from streams.webhooks.recorder import Recorder
from streams.webhooks.sender import Sender
from streams.webhooks.store import DeliveryStore

WINDOW_SECONDS = 0.02
"""How long the outbox waits for more events before it writes: most of the time until a message leaves is this."""
PRUNE_SECONDS = 3600.0
FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The outbox here, its runners by shard, and who holds its dead letters."""

    store: DeliveryStore
    dispatcher: Dispatcher
    deliveries: RecordedDeliveries
    runners: Mapping[int, EmbeddedRunner] = field(default_factory=dict)
    held: tuple[HeldInFile, ...] = ()


@contextlib.asynccontextmanager
async def opened_webhooks(
    settings: Settings,
    seat: Seat,
    storage: Storage,
    addresses: Addresses,
    secret: bytes,
    *,
    reached: Callable[[str], None] = lambda point: None,
    sends: bool = True,
) -> AsyncIterator[Webhooks]:
    """Deliver what the log says is to be delivered, from this process. One process of an installation does.

    Without ``sends`` the outbox is kept up and nothing leaves. ``reached`` is told the named points of a delivery.
    """
    async with contextlib.AsyncExitStack() as parts:
        store = DeliveryStore(seat.folder.root / "webhooks.db", clock=now)
        parts.callback(store.close)
        limits = Limits()
        sessions = OrganizationSessions(EgressPolicy.parse(settings.egress_allow), per_host=limits.per_endpoint)
        parts.push_async_callback(sessions.close)
        recorder = Recorder(storage.log, random_id, reached)
        sender = Sender(sessions, Credentials(storage.log, sessions, now), secret, version("callfold"), now)
        dispatcher = Dispatcher(
            store, sender, recorder, clock=now, jitter=random.random, limits=limits, reached=reached
        )
        store.changed = dispatcher.changed
        views = CallViews(
            ApiSettings(
                public_url=addresses.public_url,
                signing_secret=secret,
                version=version("callfold"),
                media_url=addresses.media_url,
            ),
            storage.log,
        )

        def outbox(addressing: Addressing) -> tuple[Processor[Any], ...]:
            return CallOutbox(addressing, views.urls), ChatOutbox(addressing), SessionOutbox(addressing)

        configurations = RecordedConfigurations(storage.log, storage.log)
        processors = (*outbox(Addressing(configurations)), DeliveryOutcomes())
        deliveries = RecordedDeliveries(
            store=store,
            log=storage.log,
            configurations=configurations,
            outbox=outbox,
            shard_of=partial(_shard_of, storage),
            secret=secret,
            version=version("callfold"),
            clock=now,
        )
        letters = DeadLetters(seat.folder.processing)
        parts.callback(letters.close)
        runners = {}
        for shard in storage.shards():
            pipeline = Pipeline("webhooks", processors, store, window_seconds=WINDOW_SECONDS)
            runners[shard] = EmbeddedRunner(storage.log, [pipeline], letters, clock=now, shard=shard)
            await runners[shard].start()
            parts.push_async_callback(runners[shard].stop)
        names = frozenset(processor.name for processor in processors)
        recording = asyncio.create_task(recorder.run())
        parts.push_async_callback(_cancelled, recording)
        parts.push_async_callback(_flushed, recorder)
        if sends:
            sending = asyncio.create_task(_sending(storage, runners, dispatcher))
            parts.push_async_callback(_cancelled, sending)
        pruning = asyncio.create_task(_pruning(store, sessions))
        parts.push_async_callback(_cancelled, pruning)
        yield Webhooks(store, dispatcher, deliveries, runners, (HeldInFile(runners, letters, names),))


def _shard_of(storage: Storage, org_id: str) -> int:
    document = storage.log.get("organization", org_id)
    return (document.state.shard or 0) if document is not None else 0


async def _sending(storage: Storage, runners: Mapping[int, EmbeddedRunner], dispatcher: Dispatcher) -> None:
    """What was delivered before is on the log: it has to be known before anything is sent."""
    for shard, runner in runners.items():
        await runner.reached(storage.log.head(shard))
    await dispatcher.run()


async def _pruning(store: DeliveryStore, sessions: OrganizationSessions) -> None:
    while True:
        await asyncio.to_thread(store.prune)
        await sessions.tidy()
        await asyncio.sleep(PRUNE_SECONDS)


async def _flushed(recorder: Recorder) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_SECONDS):
            await recorder.flushed()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

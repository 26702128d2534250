"""Webhooks put together: the outbox that follows the log, and the dispatcher that empties it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any, ParamSpec

from prometheus_client import Histogram
from prometheus_client.registry import Collector

from api.call_views import CallViews
from api.dependencies import ApiSettings
from domain.egress import EgressPolicy
from domain.log.ports import LogUnavailable
from domain.log.position import Position
from domain.processing import Processor, SinkUnavailable
from domain.webhook.aggregate import ENDPOINT
from domain.webhook.outbox import OUTBOX, OUTBOX_ID, Outbox, StartOutbox
from infra.data_folder import Seat
from infra.egress.sessions import OrganizationSessions
from infra.identifiers import now, random_id
from infra.roles import Addresses
from infra.sealing import seal_of
from infra.settings import Settings
from infra.storage import Storage
from infra.upkeep import HeldInFile
from infra.webhook_metrics import WebhookMetrics, first_attempt_delay
from media.call.leases import keep_alive
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline
from streams.webhooks.addressing import Addressing, RecordedConfigurations
from streams.webhooks.claims import Claims
from streams.webhooks.conversations import ChatOutbox, SessionOutbox
from streams.webhooks.credentials import Credentials
from streams.webhooks.dispatcher import Dispatcher, Limits
from streams.webhooks.due import DueMessages
from streams.webhooks.file import OutboxFile
from streams.webhooks.kept import KeptMessages
from streams.webhooks.listening import RecordedDeliveries
from streams.webhooks.outbox import CallOutbox
from streams.webhooks.outcomes import DeliveryOutcomes
from streams.webhooks.recorder import Recorder
from streams.webhooks.sender import Sender
from streams.webhooks.signed_access import SignedAccess
from streams.webhooks.store import DeliveryStore

P = ParamSpec("P")

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 0.02
"""How long the outbox waits for more events before it writes: most of the time until a message leaves is this."""
PRUNE_SECONDS = 3600.0
FLUSH_SECONDS = 5.0


@dataclass(slots=True)
class Webhooks:
    """The outbox here, its runners by shard, and who holds its dead letters. Without ``dispatcher`` nothing is sent
    from here."""

    waiting: DueMessages
    deliveries: RecordedDeliveries
    dispatcher: Dispatcher | None = None
    runners: Mapping[int, EmbeddedRunner] = field(default_factory=dict)
    held: tuple[HeldInFile, ...] = ()
    delays: Histogram = field(default_factory=first_attempt_delay)
    failure: str = ""

    def trouble(self) -> str:
        """Why messages are not delivered any more; empty while they are."""
        return self.failure

    def metrics(self) -> tuple[Collector, ...]:
        """For ``GET /metrics``."""
        figures = WebhookMetrics(self.waiting, lambda: self.dispatcher, now)
        return (figures,) if self.dispatcher is None else (figures, self.delays)


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
    """Keep an outbox and, with ``sends``, deliver from it. Any number of processes may: each endpoint is served by one
    of them. ``reached`` is told the named points of a delivery. Raises ``LogUnavailable``."""
    folder = seat.folder.root if settings.kafka is None else seat.replica
    async with contextlib.AsyncExitStack() as parts:
        began = await _outbox_of(storage)
        file = OutboxFile(folder / "webhooks.db")
        parts.callback(file.close)
        store = DeliveryStore(file, clock=now, begins_after=began.begins_after)
        letters = DeadLetters(seat.folder.processing if settings.kafka is None else folder / "webhooks-dead.db")
        parts.callback(letters.close)

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
        webhooks = Webhooks(
            waiting=DueMessages(file),
            deliveries=RecordedDeliveries(
                kept=KeptMessages(file),
                log=storage.log,
                configurations=configurations,
                outbox=outbox,
                shard_of=partial(_shard_of, storage),
                secret=secret,
                version=version("callfold"),
                clock=now,
            ),
        )
        runners = {}
        for shard in storage.shards():
            pipeline = Pipeline("webhooks", processors, store, window_seconds=WINDOW_SECONDS)
            runners[shard] = EmbeddedRunner(storage.log, [pipeline], letters, clock=now, shard=shard)
        webhooks.runners = runners
        webhooks.held = (HeldInFile(runners, letters, frozenset(processor.name for processor in processors)),)
        working = _Working(webhooks, parts)
        sessions = OrganizationSessions(EgressPolicy.parse(settings.egress_allow), per_host=Limits().per_endpoint)
        parts.push_async_callback(sessions.close)
        if sends:
            recorder = Recorder(storage.log, random_id, reached)
            credentials = Credentials(storage.log, sessions, now, seal_of(settings.secret_key))
            sender = Sender(sessions, SignedAccess(credentials, secret, version("callfold"), now), now)
            webhooks.dispatcher = Dispatcher(
                webhooks.waiting,
                sender,
                recorder,
                Claims(storage.log, storage.leases),
                clock=now,
                jitter=random.random,
                reached=reached,
                first_after=webhooks.delays.observe,
            )
            store.changed = webhooks.dispatcher.changed
        for runner in runners.values():
            await runner.start()
            parts.push_async_callback(runner.stop)
        working.begin(_retrying_parked, webhooks)
        working.begin(_pruning, store, sessions)
        if webhooks.dispatcher is not None:
            await asyncio.to_thread(storage.leases.beat)
            working.begin(keep_alive, storage.leases, storage.lease_seconds / 4)
            working.begin(recorder.run)
            parts.push_async_callback(_flushed, recorder)
            working.begin(_sending, storage, runners, webhooks.dispatcher)
        yield webhooks


@dataclass(frozen=True, slots=True)
class _Working:
    """Tasks that end with ``parts``. One that fails before says so in ``webhooks``."""

    webhooks: Webhooks
    parts: contextlib.AsyncExitStack

    def begin(self, work: Callable[P, Awaitable[None]], *given: P.args, **named: P.kwargs) -> None:
        self.parts.push_async_callback(_cancelled, asyncio.create_task(self._watched(partial(work, *given, **named))))

    async def _watched(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            logger.exception("webhooks.failed")
            self.webhooks.failure = f"messages are not delivered any more since {type(error).__name__}; restart"


async def _outbox_of(storage: Storage) -> Outbox:
    """Where the outbox of this installation begins; with this very start, where it never had one."""
    document = storage.log.get(OUTBOX.kind, OUTBOX_ID)
    if document is not None:
        began: Outbox = document.state
        return began
    # Earlier versions delivered without saying where they began: from the beginning, then.
    delivered = bool(storage.log.list(ENDPOINT.kind, limit=1))
    after = tuple(str(Position(shard, 0) if delivered else storage.log.head(shard)) for shard in storage.shards())
    began, _ = await storage.log.execute(OUTBOX, OUTBOX_ID, StartOutbox(after=after))
    return began


def _shard_of(storage: Storage, org_id: str) -> int:
    document = storage.log.get("organization", org_id)
    return (document.state.shard or 0) if document is not None else 0


async def _sending(storage: Storage, runners: Mapping[int, EmbeddedRunner], dispatcher: Dispatcher) -> None:
    """What was delivered before is on the log: it has to be known before anything is sent."""
    for shard, runner in runners.items():
        await runner.reached(storage.log.head(shard))
    await dispatcher.run()


async def _retrying_parked(webhooks: Webhooks) -> None:
    """What an earlier build could not render, this one perhaps can: every node parks and tries for itself."""
    for held in webhooks.held:
        for processor, originator_id in {(letter.processor, letter.originator_id) for letter in held.letters()}:
            try:
                processed = await held.retry(processor, originator_id)
            except (LogUnavailable, SinkUnavailable) as problem:
                logger.warning("webhooks.not_retried", extra={"processor": processor, "reason": str(problem)})
            else:
                logger.info("webhooks.retried", extra={"processor": processor, "processed": processed})


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

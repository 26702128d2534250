"""Webhooks put together: the outbox, and where this process delivers the dispatcher that empties it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import ParamSpec

from prometheus_client import Histogram
from prometheus_client.registry import Collector

from domain.egress import EgressPolicy
from domain.log.ports import LogUnavailable
from domain.processing import SinkUnavailable
from infra.data_folder import Seat
from infra.egress.sessions import OrganizationSessions
from infra.identifiers import now, random_id
from infra.outbox import KeptOutbox, opened_outbox
from infra.roles import Addresses
from infra.sealing import seal_of
from infra.settings import Settings
from infra.storage import Storage
from infra.upkeep import HeldInFile
from infra.webhook_metrics import WebhookMetrics, first_attempt_delay
from media.call.leases import keep_alive
from streams.processing.embedded import EmbeddedRunner
from streams.webhooks.claims import Claims
from streams.webhooks.credentials import Credentials
from streams.webhooks.dispatcher import Dispatcher, Limits
from streams.webhooks.due import DueMessages
from streams.webhooks.listening import RecordedDeliveries
from streams.webhooks.recorder import Recorder
from streams.webhooks.sender import Sender
from streams.webhooks.signed_access import SignedAccess
from streams.webhooks.store import DeliveryStore

P = ParamSpec("P")

logger = logging.getLogger(__name__)

PRUNE_SECONDS = 3600.0
FLUSH_SECONDS = 5.0


@dataclass(slots=True)
class Webhooks:
    """An outbox at work. Without ``dispatcher`` nothing is sent from here."""

    outbox: KeptOutbox
    dispatcher: Dispatcher | None = None
    delays: Histogram = field(default_factory=first_attempt_delay)
    failure: str = ""

    @property
    def waiting(self) -> DueMessages:
        """What is to be sent."""
        return self.outbox.waiting

    @property
    def deliveries(self) -> RecordedDeliveries:
        """What can be asked about messages."""
        return self.outbox.deliveries

    @property
    def runners(self) -> Mapping[int, EmbeddedRunner]:
        """Who keeps the outbox up, by shard."""
        return self.outbox.runners

    @property
    def held(self) -> tuple[HeldInFile, ...]:
        """Events that could not be rendered."""
        return (self.outbox.held,)

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
    async with contextlib.AsyncExitStack() as parts:
        outbox = await parts.enter_async_context(opened_outbox(settings, seat, storage, addresses, secret))
        webhooks = Webhooks(outbox)
        working = _Working(webhooks, parts)
        working.begin(_retrying_parked, storage, outbox)
        working.begin(_pruning, outbox.store)
        if sends:
            sessions = OrganizationSessions(EgressPolicy.parse(settings.egress_allow), per_host=Limits().per_endpoint)
            parts.push_async_callback(sessions.close)
            credentials = Credentials(storage.log, sessions, now, seal_of(settings.secret_key))
            recorder = Recorder(storage.log, random_id, reached)
            webhooks.dispatcher = Dispatcher(
                outbox.waiting,
                Sender(sessions, SignedAccess(credentials, secret, version("callfold"), now), now),
                recorder,
                Claims(storage.log, storage.leases),
                clock=now,
                jitter=random.random,
                reached=reached,
                first_after=webhooks.delays.observe,
            )
            outbox.store.changed = webhooks.dispatcher.changed
            await asyncio.to_thread(storage.leases.beat)
            working.begin(keep_alive, storage.leases, storage.lease_seconds / 4)
            working.begin(_tidying, sessions)
            working.begin(recorder.run)
            parts.push_async_callback(_flushed, recorder)
            working.begin(_sending, storage, outbox, webhooks.dispatcher)
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


async def _sending(storage: Storage, outbox: KeptOutbox, dispatcher: Dispatcher) -> None:
    """What was delivered before is on the log: it has to be known before anything is sent.

    Endpoints are shared out among those that say that they deliver: whoever stops, for whatever reason, says so.
    """
    await outbox.caught_up(storage)
    storage.leases.deliver(True)
    try:
        await dispatcher.run()
    finally:
        storage.leases.deliver(False)


async def _retrying_parked(storage: Storage, outbox: KeptOutbox) -> None:
    """What an earlier build could not render, this one perhaps can: every process parks and tries for itself."""
    await outbox.caught_up(storage)
    held = outbox.held
    for processor, originator_id in {(letter.processor, letter.originator_id) for letter in held.letters()}:
        try:
            processed = await held.retry(processor, originator_id)
        except (LogUnavailable, SinkUnavailable) as problem:
            logger.warning("webhooks.not_retried", extra={"processor": processor, "reason": str(problem)})
        else:
            logger.info("webhooks.retried", extra={"processor": processor, "processed": processed})


async def _pruning(store: DeliveryStore) -> None:
    while True:
        await asyncio.to_thread(store.prune)
        await asyncio.sleep(PRUNE_SECONDS)


async def _tidying(sessions: OrganizationSessions) -> None:
    while True:
        await asyncio.sleep(PRUNE_SECONDS)
        await sessions.tidy()


async def _flushed(recorder: Recorder) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_SECONDS):
            await recorder.flushed()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

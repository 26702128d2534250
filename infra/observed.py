"""`callfold project` and `callfold stream`: processes that answer nobody but whoever looks after them.

Both serve their health, their figures for Prometheus and the operator's routes, so that an orchestrator can tell
whether they live, a dashboard how far they are behind, and a command what is to be mended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.app import UPKEEP_ONLY
from infra.application import Gate, application, build_routes, signing_secret
from infra.data_folder import Seat
from infra.identifiers import random_id
from infra.metrics import opened_metrics
from infra.no_media import NoLiveCalls
from infra.projecting import Fragments, Projecting, opened_projecting
from infra.roles import Addresses
from infra.settings import Settings
from infra.storage import Storage, opened_storage
from infra.upkeep import Held, HeldOnTopic
from infra.webhooks import Webhooks, opened_webhooks
from media.call.leases import keep_alive

if TYPE_CHECKING:
    from fastapi import FastAPI

    from infra.streaming import Streaming


@dataclass(frozen=True, slots=True)
class Observed:
    """A running process: what it answers, how it ends by itself (``failed`` raises why), and its way to stop."""

    app: FastAPI
    failed: Callable[[], Awaitable[None]]
    drain: Callable[[float], Awaitable[None]]


@contextlib.asynccontextmanager
async def opened_projector(settings: Settings, seat: Seat, *, url: str, token: str) -> AsyncIterator[Observed]:
    """Fill the tables of a server. Raises ``LogUnavailable`` and ``StoreUnavailable``."""
    async with contextlib.AsyncExitStack() as parts:
        storage = parts.enter_context(opened_storage(settings, seat))
        projecting = await parts.enter_async_context(
            opened_projecting(
                settings.clickhouse,
                seat.folder,
                storage.log,
                storage.shards(),
                fragments=Fragments(storage.fragments, settings.fragment_days, settings.fragment_words),
                table_days=settings.table_days,
                statement_disk_mb=settings.statement_disk_mb,
            )
        )

        async def drain(timeout_s: float) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await projecting.caught_up()

        await parts.enter_async_context(_heard(storage))
        gate = Gate("", troubles=[storage.trouble, projecting.trouble])
        app = await _app(settings, seat, storage, gate, parts, url=url, token=token, projecting=projecting)
        yield Observed(app, _never, drain)


@contextlib.asynccontextmanager
async def opened_streamer(settings: Settings, seat: Seat, *, url: str, token: str) -> AsyncIterator[Observed]:
    """Run the processors that are shared out among processes. Raises ``LogUnavailable``."""
    # Faust costs time and memory that other roles do not need.
    from infra.streaming import opened_streaming

    async with contextlib.AsyncExitStack() as parts:
        storage = parts.enter_context(opened_storage(settings, seat))
        streaming = await parts.enter_async_context(opened_streaming(settings, seat, storage))
        addresses = Addresses.of(settings, public_port=settings.port, own_port=settings.port)
        # Others serve the endpoints of one that leaves at once, and those of one that dies when its lease has run out.
        parts.push_async_callback(asyncio.to_thread, storage.leases.release)
        webhooks = await parts.enter_async_context(
            opened_webhooks(settings, seat, storage, addresses, signing_secret(settings, seat.folder))
        )
        gate = Gate("", troubles=[storage.trouble, webhooks.trouble])
        app = await _app(
            settings, seat, storage, gate, parts, url=url, token=token, streaming=streaming, webhooks=webhooks
        )

        async def drain(timeout_s: float) -> None:
            """Whoever has the shards next goes on where their tables are."""

        yield Observed(app, streaming.failed, drain)


async def _app(
    settings: Settings,
    seat: Seat,
    storage: Storage,
    gate: Gate,
    parts: contextlib.AsyncExitStack,
    *,
    url: str,
    token: str,
    projecting: Projecting | None = None,
    streaming: Streaming | None = None,
    webhooks: Webhooks | None = None,
) -> FastAPI:
    calls = NoLiveCalls()
    held: Sequence[Held] = ()
    if streaming is not None:
        held = (HeldOnTopic(streaming.letters, random_id, streaming.processors),)
    if webhooks is not None:
        held = (*held, *webhooks.held)
    metrics = await parts.enter_async_context(opened_metrics(storage, projecting, None, calls, streaming, webhooks))
    app = application(
        storage,
        projecting,
        calls,
        gate,
        public_url=url,
        secret=signing_secret(settings, seat.folder),
        operator_token=token,
        routes=UPKEEP_ONLY,
        metrics=metrics,
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
        held=held,
    )
    build_routes(app)
    return app


@contextlib.asynccontextmanager
async def _heard(storage: Storage) -> AsyncIterator[None]:
    """Beat for as long as the context lasts. Nobody asks whether a projector lives, but that its heartbeat does not
    come back is how it learns that Kafka is away: its replica answers all the same, and nothing new comes to it."""
    await asyncio.to_thread(storage.leases.beat)
    beating = asyncio.create_task(keep_alive(storage.leases, storage.lease_seconds / 4), name="leases")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait((beating,))
        await asyncio.to_thread(storage.leases.release)


async def _never() -> None:
    """A projector's pipelines wait for what is away; that, and what has stopped for good, shows in its health."""
    await asyncio.get_running_loop().create_future()

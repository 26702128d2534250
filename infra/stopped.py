"""The system's own HTTP application over a data folder in which nothing runs, reached without a network."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator

import httpx2

from infra.application import Gate, application, signing_secret
from infra.cli.operator import client
from infra.data_folder import Seat
from infra.live import Live, opened_live
from infra.no_media import NoLiveCalls
from infra.projecting import Projecting, opened_projecting
from infra.sealing import seal_of
from infra.settings import Settings
from infra.storage import opened_storage


@contextlib.asynccontextmanager
async def opened(settings: Settings, seat: Seat, *, tables: bool) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the operator's routes. ``seat`` must be held by the caller.

    Without ``tables`` the analytics engine stays closed, which saves its start; questions to it are refused. With it,
    the tables hold everything that is on the log. Raises ``LogUnavailable`` and ``StoreUnavailable``.
    """
    token = secrets.token_urlsafe(16)
    async with contextlib.AsyncExitStack() as parts:
        storage = parts.enter_context(opened_storage(settings, seat))
        projecting: Projecting | None = None
        live: Live | None = None
        if tables:
            projecting = await parts.enter_async_context(
                opened_projecting(
                    settings.clickhouse,
                    seat.folder,
                    storage.log,
                    storage.shards(),
                    fill=_fills(settings, seat),
                    table_days=settings.table_days,
                    statement_disk_mb=settings.statement_disk_mb,
                )
            )
            await projecting.caught_up()
            live = await parts.enter_async_context(opened_live(settings, seat, "up", storage))
        app = application(
            storage,
            projecting,
            NoLiveCalls(),
            Gate("nothing runs"),
            public_url=settings.base_url(),
            secret=signing_secret(settings, seat.folder),
            operator_token=token,
            live=live,
            seal=seal_of(settings.secret_key),
        )
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        yield await parts.enter_async_context(client("http://data-folder", token, transport))


def _fills(settings: Settings, seat: Seat) -> bool:
    """Tables of a server are another process's to fill, where one runs here or could run on another machine."""
    if settings.clickhouse == "embedded":
        return True
    return settings.kafka is None and not any(running.role == "project" for running in seat.folder.beside())

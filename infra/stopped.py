"""The system's own HTTP application over a data folder in which nothing runs, reached without a network."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx

from infra.data_folder import DataFolder
from infra.settings import Settings
from infra.wiring import stopped_system


@contextlib.asynccontextmanager
async def opened(
    settings: Settings, folder: DataFolder, operator_token: str
) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """A transport for the operator's client. ``folder`` must be owned by the caller."""
    async with stopped_system(settings, folder, operator_token=operator_token) as app:
        yield httpx.ASGITransport(app)

"""A fresh installation with one organisation, and clients that hold its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from domain.organization.founding import Founding
from tests.unit.api.installation import OPERATOR_TOKEN, Installation, install


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    built = install(tmp_path)
    yield built
    built.log.close()


@pytest.fixture
async def founding(installation: Installation) -> Founding:
    return await installation.found("Acme")


@pytest.fixture
async def anonymous(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    transport = httpx.ASGITransport(create_app(installation.dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="https://calls.example") as client:
        yield client


@pytest.fixture
async def client(anonymous: httpx.AsyncClient, founding: Founding) -> httpx.AsyncClient:
    """A client with the organisation's private key."""
    anonymous.headers["authorization"] = f"Bearer {founding.private_key}"
    return anonymous


@pytest.fixture
def operator() -> dict[str, str]:
    return {"authorization": f"Bearer {OPERATOR_TOKEN}"}

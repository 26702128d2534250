"""Installations with one organisation, and clients that hold its keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from domain.organization.founding import Founding
from tests.unit.api.application import application
from tests.unit.api.installation import OPERATOR_TOKEN, Installation, install


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A fresh one."""
    built = install(tmp_path)
    yield built
    built.log.close()


@pytest.fixture
async def founding(installation: Installation) -> Founding:
    return await installation.found("Acme")


@pytest.fixture
async def anonymous(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    transport = httpx.ASGITransport(application(installation.dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="https://calls.example") as client:
        yield client


@pytest.fixture
async def client(anonymous: httpx.AsyncClient, founding: Founding) -> httpx.AsyncClient:
    """A client with the organisation's private key."""
    anonymous.headers["authorization"] = f"Bearer {founding.private_key}"
    return anonymous


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all tests of a module, for tables of requests that leave nothing behind or do not mind what is there."""
    built = install(tmp_path_factory.mktemp("shared"))
    yield built
    built.log.close()


@pytest.fixture(scope="module")
def shared_founding(shared: Installation) -> Founding:
    return asyncio.run(shared.found("Acme"))


@pytest.fixture(scope="module")
def shared_transport(shared: Installation) -> httpx.ASGITransport:
    return httpx.ASGITransport(application(shared.dependencies, "the module's"))


@pytest.fixture
async def asking(shared_transport: httpx.ASGITransport, shared_founding: Founding) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the shared installation with the private key."""
    key = {"authorization": f"Bearer {shared_founding.private_key}"}
    async with httpx.AsyncClient(transport=shared_transport, base_url="https://calls.example", headers=key) as client:
        yield client


@pytest.fixture
def operator() -> dict[str, str]:
    return {"authorization": f"Bearer {OPERATOR_TOKEN}"}

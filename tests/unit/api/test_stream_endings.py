"""How an endless answer ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import create_app, end_streams
from api.event_stream import stream_events
from domain.log.position import Position
from domain.organization.founding import Founding
from tests.unit.api.installation import Installation

WITHIN_SECONDS = 10


def frames(installation: Installation, closing: asyncio.Event) -> AsyncIterator[bytes]:
    answer = stream_events(
        installation.log,
        Position(0, 0),
        types=None,
        wanted=lambda _: True,
        heartbeat_seconds=WITHIN_SECONDS,
        closing=closing,
    )
    return answer.body_iterator  # type: ignore[return-value]  # ours yields bytes only


@pytest.mark.parametrize("how", ["the server stops", "the log is closed"])
async def test_a_silent_stream_ends_and_leaves_no_task(
    installation: Installation, founding: Founding, how: str
) -> None:
    closing = asyncio.Event()
    before = asyncio.all_tasks()
    stream = frames(installation, closing)
    assert await anext(stream) == b": still here\n\n"
    assert founding.organization_id.encode() in await anext(stream)
    if how == "the server stops":
        asyncio.get_running_loop().call_soon(closing.set)
    else:
        asyncio.get_running_loop().call_soon(installation.log.close)
    async with asyncio.timeout(WITHIN_SECONDS):
        assert [frame async for frame in stream] == []
    assert asyncio.all_tasks() == before


async def test_the_application_ends_its_streams_on_request(installation: Installation, founding: Founding) -> None:
    app = create_app(installation.dependencies)
    end_streams(app)
    key = {"authorization": f"Bearer {founding.private_key}"}
    async with asyncio.timeout(WITHIN_SECONDS), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert (await client.get("http://x/event", headers=key)).status_code == 200

"""How an endless answer ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import httpx
import pytest

from api.app import create_app, end_streams
from api.event_stream import stream_events
from api.heartbeats import with_heartbeats
from domain.log.position import Position
from domain.organization.founding import Founding
from tests.unit.api.installation import Installation

WITHIN_SECONDS = 60
"""Long, for busy machines."""


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


async def test_a_stream_says_that_it_listens_once_it_does_and_then_from_time_to_time() -> None:
    done: list[str] = []

    async def listening() -> AsyncGenerator[str, None]:
        done.append("listens")
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            done.append("closed")

    async with asyncio.timeout(WITHIN_SECONDS):
        async with aclosing(with_heartbeats(listening(), every_s=0.01, closing=asyncio.Event())) as beats:
            assert await anext(beats) is None
            assert done == ["listens"]
            assert [await anext(beats), await anext(beats)] == [None, None]
    assert done == ["listens", "closed"]


async def test_what_is_listened_to_is_closed_with_an_item_that_nobody_took() -> None:
    closed = asyncio.Event()

    async def talking() -> AsyncGenerator[int, None]:
        try:
            for number in range(10):
                yield number
        finally:
            closed.set()

    async with aclosing(with_heartbeats(talking(), every_s=WITHIN_SECONDS, closing=asyncio.Event())) as beats:
        assert [await anext(beats) for _ in range(3)] == [None, 0, 1]
        # The next one has come by now.
        await asyncio.sleep(0)
    assert closed.is_set()

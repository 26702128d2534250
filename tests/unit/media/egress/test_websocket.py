"""WebSockets of tenants: the same addresses are refused, and the one that was judged is connected to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from ipaddress import ip_address

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from domain.egress import Address, EgressBlocked, EgressPolicy
from media.egress.addresses import Resolve
from media.egress.websocket import GuardedSockets
from tests.egress_table import SPECIAL, SPELLINGS_OF_LOOPBACK

LOOPBACK = EgressPolicy.parse(["127.0.0.0/8"])


def answering(*answers: str) -> Resolve:
    """A name server with the next address each time."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return [ip_address(left.pop(0) if len(left) > 1 else left[0])]

    return resolve


@asynccontextmanager
async def echoing(redirect: str = "") -> AsyncIterator[int]:
    """A server on loopback that says the path and host it was asked for; its port."""

    async def say(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(f"{connection.request.path} {connection.request.headers['host']}")

    def elsewhere(connection: ServerConnection, request: Request) -> Response | None:
        if not redirect:
            return None
        answer = connection.respond(HTTPStatus.FOUND, "")
        answer.headers["location"] = redirect
        return answer

    async with serve(say, "127.0.0.1", 0, process_request=elsewhere) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def test_a_name_is_connected_at_the_address_that_was_judged() -> None:
    async with echoing() as port:
        sockets = GuardedSockets(LOOPBACK, resolve=answering("127.0.0.1", "10.0.0.1"))
        url = f"ws://speech.example:{port}/listen"
        async with await sockets.connection(url, {}) as connection:
            assert await connection.recv() == f"/listen speech.example:{port}"
        # The name server has changed its mind: the second connection is judged by its own answer.
        with pytest.raises(EgressBlocked):
            await sockets.connection(url, {})


@pytest.mark.parametrize("address", SPECIAL)
async def test_a_public_name_for_a_special_address_is_refused(address: str) -> None:
    sockets = GuardedSockets(EgressPolicy(), resolve=answering(address))
    with pytest.raises(EgressBlocked):
        await sockets.connection("wss://speech.example/", {})


@pytest.mark.parametrize("host", SPELLINGS_OF_LOOPBACK)
async def test_every_spelling_of_loopback_is_refused(host: str) -> None:
    with pytest.raises(EgressBlocked):
        await GuardedSockets(EgressPolicy()).connection(f"ws://{host}/", {})


@pytest.mark.parametrize("url", ["http+unix://x/", "file:///etc/passwd", "ws://user:secret@speech.example/", "ws://"])
async def test_what_is_no_socket_of_a_host_is_refused(url: str) -> None:
    with pytest.raises(EgressBlocked) as refused:
        await GuardedSockets(EgressPolicy()).connection(url, {})
    assert "secret" not in str(refused.value)


async def test_a_redirect_to_another_host_is_refused() -> None:
    async with echoing(redirect="ws://169.254.169.254/latest") as port:
        sockets = GuardedSockets(LOOPBACK, resolve=answering("127.0.0.1"))
        with pytest.raises(ValueError, match="redirect"):
            async with await sockets.connection(f"ws://speech.example:{port}/", {}):
                pytest.fail("connected")

"""What one process of an installation asks of another about calls that the other serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from api.app import CALLS_ONLY, create_app
from api.dependencies import ApiDependencies, ApiLimits
from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, CreateCall, DeleteCall, EndCall
from domain.live_calls import CallSocket, OwnerUnreachable
from domain.signing import call_token
from streams.log.embedded import EmbeddedLog
from tests.unit.api.installation import SECRET, Installation

CALL_ID = "01900000-0000-7000-8000-00000000abcd"


def token(call_id: str = CALL_ID, secret: bytes = SECRET) -> dict[str, str]:
    return {"authorization": f"Bearer {call_token(secret, call_id, 'forward')}"}


async def create(installation: Installation, call_id: str = CALL_ID) -> None:
    command = CreateCall(org_id="org", type="vapi.websocketCall", request={}, transport={})
    await installation.log.execute(CALL, call_id, command)


def over_http(dependencies: ApiDependencies) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(dependencies, CALLS_ONLY)), base_url="http://m")


@pytest.fixture
def browser(installation: Installation) -> Iterator[TestClient]:
    with TestClient(create_app(installation.dependencies, CALLS_ONLY)) as client:
        yield client


async def test_control_reaches_the_call_that_is_served_here(installation: Installation) -> None:
    installation.live_calls.running.add(CALL_ID)
    async with over_http(installation.dependencies) as client:
        answer = await client.post(f"/internal/calls/{CALL_ID}/control", json={"type": "say"}, headers=token())
    assert answer.status_code == 200
    assert installation.live_calls.messages == [(CALL_ID, {"type": "say"})]


async def test_ending_answers_with_the_position_of_what_was_recorded(installation: Installation) -> None:
    await create(installation)
    installation.live_calls.running.add(CALL_ID)

    async def end(call_id: str, reason: str) -> None:
        await installation.log.execute(CALL, call_id, EndCall(reason=reason))

    installation.live_calls.on_end = end
    async with over_http(installation.dependencies) as client:
        answer = await client.post(f"/internal/calls/{CALL_ID}/end", json={"reason": "call-deleted"}, headers=token())
    assert answer.status_code == 200
    assert answer.headers["x-callfold-position"] == str(installation.log.head())
    assert installation.live_calls.ended == [(CALL_ID, "call-deleted")]


@pytest.mark.parametrize(
    "headers", [token("another"), token(secret=b"a secret that another installation has"), {}], ids=str
)
async def test_only_holders_of_the_secret_are_let_in(installation: Installation, headers: dict[str, str]) -> None:
    installation.live_calls.running.add(CALL_ID)
    async with over_http(installation.dependencies) as client:
        answer = await client.post(f"/internal/calls/{CALL_ID}/control", json={"type": "say"}, headers=headers)
    assert answer.status_code == 401
    assert installation.live_calls.messages == []


async def test_a_call_that_does_not_run_here_is_not_looked_for_elsewhere(installation: Installation) -> None:
    async with over_http(installation.dependencies) as client:
        answer = await client.post(f"/internal/calls/{CALL_ID}/control", json={"type": "say"}, headers=token())
        without_media = replace(installation.dependencies, own_calls=None)
    async with over_http(without_media) as client:
        also = await client.post(f"/internal/calls/{CALL_ID}/end", json={"reason": "x"}, headers=token())
    assert (answer.status_code, also.status_code) == (404, 404)


def test_listening(installation: Installation, browser: TestClient) -> None:
    installation.live_calls.running.add(CALL_ID)
    with browser.websocket_connect(f"/internal/calls/{CALL_ID}/listen", headers=token()) as socket:
        assert "format" in socket.receive_text()
        assert socket.receive_bytes() == b"\x00\x00"


def test_listening_needs_the_token(browser: TestClient) -> None:
    where = f"/internal/calls/{CALL_ID}/listen"
    with (
        browser.websocket_connect(where, headers=token("another")) as socket,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        socket.receive_text()
    assert closed.value.code == 1008


async def test_a_media_node_has_no_rest_of_the_api(installation: Installation) -> None:
    async with over_http(installation.dependencies) as client:
        assert (await client.get("/call")).status_code == 404
        assert (await client.get("/health/ready")).status_code == 200


async def test_an_owner_that_does_not_answer_is_told_with_what_to_do(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    body = (await client.post("/call", json={"transport": {"provider": "vapi.websocket"}, "assistant": {}})).json()
    await _claimed(installation, body["id"])

    async def unreachable(call_id: str, reason: str) -> None:
        raise OwnerUnreachable("media-1 at http://media-1:8081 does not answer")

    installation.live_calls.running.add(body["id"])
    installation.live_calls.on_end = unreachable
    answer = await client.delete(f"/call/{body['id']}")
    assert (answer.status_code, answer.json()["message"]) == (503, "The process that serves the call does not answer.")
    assert answer.headers["retry-after"] == "1"
    assert (await client.get(f"/call/{body['id']}")).json()["status"] == "ringing"


async def test_a_call_that_another_node_has_just_created_is_waited_for(installation: Installation) -> None:
    async def greet(call_id: str, socket: CallSocket) -> None:
        await socket.send_text("hello")

    installation.live_calls.on_serve = greet
    patient = replace(installation.dependencies.settings, limits=ApiLimits(position_wait_seconds=30))
    app = create_app(replace(installation.dependencies, settings=patient), CALLS_ONLY)
    where = f"/{CALL_ID}/{call_token(SECRET, CALL_ID, 'transport')}/transport"
    with TestClient(app) as browser, browser.websocket_connect(where) as socket:
        await create(installation)
        assert await asyncio.to_thread(socket.receive_text) == "hello"


async def _claimed(installation: Installation, call_id: str) -> None:
    await installation.log.execute(CALL, call_id, ClaimCall(owner="media-1", lease_seconds=5))


class Meanwhile:
    """``Commands`` with something that happens before a command of one type is tried the first time."""

    def __init__(self, log: EmbeddedLog, command_type: type, happens: Callable[[], Awaitable[object]]) -> None:
        self._log = log
        self._type = command_type
        self._happens: Callable[[], Awaitable[object]] | None = happens
        self.record = log.record

    async def execute(self, aggregate: Any, originator_id: str, command: Any, *, commit_id: str | None = None) -> Any:
        if isinstance(command, self._type) and self._happens is not None:
            happens, self._happens = self._happens, None
            await happens()
        return await self._log.execute(aggregate, originator_id, command, commit_id=commit_id)


async def test_a_call_that_is_claimed_while_it_is_being_deleted_is_ended_by_its_owner_first(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    body = (await client.post("/call", json={"transport": {"provider": "vapi.websocket"}, "assistant": {}})).json()

    async def claimed() -> None:
        await _claimed(installation, body["id"])
        installation.live_calls.running.add(body["id"])

    async def end(call_id: str, reason: str) -> None:
        await installation.log.execute(CALL, call_id, EndCall(reason=reason))

    installation.live_calls.on_end = end
    commands = Meanwhile(installation.log, DeleteCall, claimed)
    app = create_app(replace(installation.dependencies, commands=commands))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://api", headers=client.headers
    ) as racing:
        answer = await racing.delete(f"/call/{body['id']}")
    assert (answer.status_code, answer.json()["endedReason"]) == (200, "call-deleted")
    assert installation.live_calls.ended == [(body["id"], "call-deleted")]

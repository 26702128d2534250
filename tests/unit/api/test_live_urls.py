"""The URLs of a running call: transport and listen over WebSockets, control over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from domain.live_calls import CallRejected, CallSocket
from domain.organization.founding import Founding
from domain.signing import call_token
from tests.unit.api.application import application
from tests.unit.api.installation import SECRET, Installation


@pytest.fixture
def browser(installation: Installation) -> Iterator[TestClient]:
    with TestClient(application(installation.dependencies)) as client:
        yield client


async def start(client: httpx.AsyncClient, **assistant: Any) -> dict[str, Any]:
    request = {"transport": {"provider": "vapi.websocket"}, "assistant": assistant}
    body: dict[str, Any] = (await client.post("/call", json=request)).json()
    return body


def path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2]


def refusal(browser: TestClient, where: str, **headers: str) -> tuple[int, str]:
    with browser.websocket_connect(where, headers=headers) as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_bytes()
    return closed.value.code, closed.value.reason


async def test_audio_and_messages_go_both_ways(
    client: httpx.AsyncClient, installation: Installation, browser: TestClient
) -> None:
    body = await start(client)

    async def echo(call_id: str, socket: CallSocket) -> None:
        assert call_id == body["id"]
        while (received := await socket.receive()) is not None:
            if isinstance(received, bytes):
                await socket.send_bytes(received[::-1])
            else:
                await socket.send_text(received.upper())
                return

    installation.live_calls.on_serve = echo
    with browser.websocket_connect(path(body["transport"]["websocketCallUrl"])) as socket:
        socket.send_bytes(b"\x01\x02")
        assert socket.receive_bytes() == b"\x02\x01"
        socket.send_text("bye")
        assert socket.receive_text() == "BYE"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1000


async def test_the_media_tier_learns_that_the_peer_has_gone(
    client: httpx.AsyncClient, installation: Installation, browser: TestClient
) -> None:
    body = await start(client)
    seen: list[bytes | str | None] = []

    async def until_gone(_: str, socket: CallSocket) -> None:
        seen.append(await socket.receive())
        seen.append(await socket.receive())
        await socket.send_bytes(b"into the void")
        await socket.close(1000, "nobody listens")

    installation.live_calls.on_serve = until_gone
    with browser.websocket_connect(path(body["transport"]["websocketCallUrl"])) as socket:
        socket.send_text("hello")
    assert seen == ["hello", None]


@pytest.mark.parametrize("purpose", ["transport", "listen"])
async def test_a_wrong_token_is_told_so(client: httpx.AsyncClient, browser: TestClient, purpose: str) -> None:
    body = await start(client)
    for token in ("wrong", call_token(SECRET, body["id"], "control"), call_token(SECRET, "another", "transport")):
        assert refusal(browser, f"/{body['id']}/{token}/{purpose}") == (1008, "The URL is not valid for this call.")


async def test_a_token_for_a_call_that_does_not_exist(browser: TestClient) -> None:
    token = call_token(SECRET, "no-such-call", "transport")
    assert refusal(browser, f"/no-such-call/{token}/transport")[0] == 1008


async def test_a_message_that_is_too_big_closes_the_call_with_a_reason(
    client: httpx.AsyncClient, installation: Installation, browser: TestClient
) -> None:
    body = await start(client)
    received: list[object] = []

    async def listen(_: str, socket: CallSocket) -> None:
        received.append(await socket.receive())

    installation.live_calls.on_serve = listen
    with browser.websocket_connect(path(body["transport"]["websocketCallUrl"])) as socket:
        socket.send_bytes(b"\x00" * (1024 * 1024 + 1))
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_bytes()
    assert closed.value.code == 1009
    assert "1048577" in closed.value.reason
    assert received == [None]


async def test_what_the_media_tier_refuses_is_passed_on(
    client: httpx.AsyncClient, installation: Installation, browser: TestClient
) -> None:
    body = await start(client)

    async def reject(_: str, __: CallSocket) -> None:
        raise CallRejected(1013, "ä" * 200)

    installation.live_calls.on_serve = reject
    code, reason = refusal(browser, path(body["transport"]["websocketCallUrl"]))
    assert (code, reason) == (1013, "ä" * 61)


async def test_a_failure_of_ours_closes_with_1011(
    client: httpx.AsyncClient, installation: Installation, browser: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    body = await start(client)

    async def fail(_: str, __: CallSocket) -> None:
        raise RuntimeError("unforeseen")

    installation.live_calls.on_serve = fail
    assert refusal(browser, path(body["transport"]["websocketCallUrl"])) == (
        1011,
        "The server failed; the call is over.",
    )
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"call.socket_failed call={body['id']}"
    ]


async def test_listening(client: httpx.AsyncClient, installation: Installation, browser: TestClient) -> None:
    body = await start(client)
    where = path(body["monitor"]["listenUrl"])
    assert refusal(browser, where) == (1008, "The call is not running.")
    installation.live_calls.running.add(body["id"])
    with browser.websocket_connect(where) as socket:
        assert "format" in socket.receive_text()
        assert socket.receive_bytes() == b"\x00\x00"


async def test_listening_can_need_a_key(
    client: httpx.AsyncClient, installation: Installation, browser: TestClient, founding: Founding
) -> None:
    body = await start(client, monitorPlan={"listenAuthenticationEnabled": True})
    installation.live_calls.running.add(body["id"])
    where = path(body["monitor"]["listenUrl"])
    assert refusal(browser, where) == (1008, "Missing Authorization Header.")
    rival = await installation.found("Rival")
    assert refusal(browser, where, authorization=f"Bearer {rival.public_key}")[0] == 1008
    key = {"authorization": f"Bearer {founding.public_key}"}
    with browser.websocket_connect(where, headers=key) as socket:
        assert "format" in socket.receive_text()


async def test_listening_can_be_switched_off(
    client: httpx.AsyncClient, installation: Installation, browser: TestClient
) -> None:
    body = await start(client, monitorPlan={"listenEnabled": False})
    installation.live_calls.running.add(body["id"])
    where = f"/{body['id']}/{call_token(SECRET, body['id'], 'listen')}/listen"
    assert refusal(browser, where) == (1008, "The assistant's monitorPlan.listenEnabled is false.")


async def test_control_messages_reach_the_call(client: httpx.AsyncClient, installation: Installation) -> None:
    body = await start(client)
    installation.live_calls.running.add(body["id"])
    del client.headers["authorization"]
    messages = [
        {"type": "say", "content": "Hold on.", "endCallAfterSpoken": True},
        {"type": "say", "message": "as the browser SDK says it"},
        {"type": "add-message", "message": {"role": "system", "content": "x"}, "triggerResponseEnabled": False},
        {"type": "control", "control": "mute-assistant"},
        {"type": "handoff", "destination": {"type": "assistant", "assistantName": "Sam"}, "content": "Sam will help."},
        {"type": "transfer", "destination": {"type": "number", "number": "+14155552671"}},
        {"type": "end-call"},
        {"type": "not-known-yet", "field": 1},
    ]
    for message in messages:
        answer = await client.post(path(body["monitor"]["controlUrl"]), json=message)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert installation.live_calls.messages == [(body["id"], message) for message in messages]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({}, "type must be a string"),
        ({"type": "say"}, "the request body needs content, the text to say"),
        ({"type": "say", "content": 5}, "content must be a string"),
        ({"type": "say", "content": " "}, "the request body needs content, the text to say"),
        ({"type": "add-message", "message": {"role": "user"}}, "message.content is required"),
        ({"type": "handoff"}, "destination is required"),
        (
            {"type": "handoff", "destination": {"type": "dynamic"}},
            "destination.type must be one of the following values: assistant, squad",
        ),
        (
            {"type": "transfer", "destination": {"type": "assistant", "assistantName": "Sam"}},
            "destination.type must be one of the following values: number, sip",
        ),
        (
            {"type": "add-message", "message": {"role": "robot", "content": "x"}},
            "message.role must be one of the following values: system, user, assistant, tool, function",
        ),
        (
            {"type": "control", "control": "explode"},
            "control must be one of the following values: mute-assistant, unmute-assistant, mute-customer, "
            "unmute-customer, say-first-message",
        ),
    ],
)
async def test_control_messages_that_make_no_sense(
    client: httpx.AsyncClient, installation: Installation, message: dict[str, Any], text: str
) -> None:
    body = await start(client)
    installation.live_calls.running.add(body["id"])
    answer = await client.post(path(body["monitor"]["controlUrl"]), json=message)
    assert (answer.status_code, answer.json()["message"]) == (400, [text])
    assert installation.live_calls.messages == []


async def test_control_of_a_call_that_does_not_run_or_with_a_wrong_token(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    body = await start(client)
    where = path(body["monitor"]["controlUrl"])
    ended = await client.post(where, json={"type": "end-call"})
    assert (ended.status_code, ended.json()["message"]) == (404, "The call is not running.")
    installation.live_calls.running.add(body["id"])
    assert (await client.post(f"/{body['id']}/wrong/control", json={"type": "end-call"})).status_code == 404
    assert installation.live_calls.messages == []


async def test_control_can_need_a_key_or_be_off(
    client: httpx.AsyncClient, installation: Installation, founding: Founding
) -> None:
    guarded = await start(client, monitorPlan={"controlAuthenticationEnabled": True})
    off = await start(client, monitorPlan={"controlEnabled": False})
    installation.live_calls.running |= {guarded["id"], off["id"]}
    del client.headers["authorization"]
    where = path(guarded["monitor"]["controlUrl"])
    assert (await client.post(where, json={"type": "end-call"})).status_code == 401
    key = {"authorization": f"Bearer {founding.public_key}"}
    assert (await client.post(where, json={"type": "end-call"}, headers=key)).status_code == 200
    token = call_token(SECRET, off["id"], "control")
    refused = await client.post(f"/{off['id']}/{token}/control", json={"type": "end-call"}, headers=key)
    assert (refused.status_code, "controlEnabled is false" in refused.json()["message"]) == (403, True)

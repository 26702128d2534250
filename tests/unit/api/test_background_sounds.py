"""Looking at a background sound over the API: what a call would meet is what is told."""

from __future__ import annotations

import io
import socket
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from domain.egress import EgressPolicy
from domain.organization.founding import Founding
from media.call import sound_links
from media.call.sound_links import SoundLooks
from media.egress.client import guarded_client
from tests.unit.api.application import application
from tests.unit.api.chatting import LOOPBACK
from tests.unit.api.installation import Installation
from tests.unit.media.tools.tool_server import ToolServer, tool_server

PATH = "/assistant/background-sound/validate"


def sound() -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    return held.getvalue()


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


@pytest.fixture
async def looking(installation: Installation, founding: Founding) -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(LOOPBACK, timeout_s=60) as outgoing:
        app = application(replace(installation.dependencies, sound_links=SoundLooks(outgoing)), "looking")
        key = {"authorization": f"Bearer {founding.private_key}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=key) as client:
            yield client


async def looked(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.post(PATH, json={"url": url})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_sound_that_calls_can_play(looking: httpx.AsyncClient, server: ToolServer) -> None:
    server.answers, server.headers = [(200, sound())], {"content-type": "audio/wav"}
    assert await looked(looking, server.url) == {"valid": True, "status": 200, "contentType": "audio/wav"}


@pytest.mark.parametrize(
    ("status", "content", "headers", "reason"),
    [
        (404, b"", {}, "http-error"),
        (200, b"<html>", {"content-type": "text/html"}, "not-audio"),
        (302, b"", {"location": "http://169.254.169.254/"}, "too-many-redirects"),
    ],
)
async def test_what_is_there_but_cannot_be_played(
    looking: httpx.AsyncClient,
    server: ToolServer,
    status: int,
    content: bytes,
    headers: dict[str, str],
    reason: str,
) -> None:
    server.answers, server.headers = [(status, content)], headers
    found = await looked(looking, server.url)
    assert (found["valid"], found["reason"], found["status"]) == (False, reason, status)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("no url", "invalid-url"),
        ("ftp://sounds.example/a.wav", "invalid-url"),
        ("http://user:password@sounds.example/a.wav", "invalid-url"),
        ("http://169.254.169.254/a.wav", "blocked-address"),
        ("http://10.0.0.1/a.wav", "blocked-address"),
    ],
)
async def test_what_is_not_even_asked(looking: httpx.AsyncClient, url: str, reason: str) -> None:
    assert await looked(looking, url) == {"valid": False, "reason": reason}


async def test_nobody_answers(looking: httpx.AsyncClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.wav"
        assert await looked(looking, url) == {"valid": False, "reason": "unreachable"}


async def test_a_server_that_takes_too_long(
    looking: httpx.AsyncClient, server: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound_links, "SECONDS", 0.2)
    server.hold.clear()
    assert await looked(looking, server.url) == {"valid": False, "reason": "timeout"}


async def test_inner_addresses_are_closed_unless_they_are_allowed(server: ToolServer) -> None:
    server.answers = [(200, sound())]
    async with guarded_client(EgressPolicy(), timeout_s=5) as outgoing:
        assert (await SoundLooks(outgoing).look(server.url)).reason == "blocked-address"
    assert server.received == []


async def test_without_a_body_it_is_refused(looking: httpx.AsyncClient) -> None:
    answer = await looking.post(PATH, json={})
    assert (answer.status_code, answer.json()["message"]) == (400, ["url is required"])

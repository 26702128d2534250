"""``callfold listen``: what comes over the stream is posted here, and a callfold that went away is waited for."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from aiohttp import web

from infra.cli import listen
from infra.cli.failure import CommandFailed
from tests.integration.webhooks.receiver import Received, Receiver


def line(kind: str) -> bytes:
    body = msgspec.json.encode({"message": {"type": kind}}).decode()
    return msgspec.json.encode({"headers": {"webhook-id": f"msg_{kind}"}, "body": body}) + b"\n"


async def test_messages_are_posted_over_a_restart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(listen, "AGAIN_SECONDS", 0.01)
    asked = 0

    async def answer(request: web.Request, times: int) -> web.StreamResponse:
        nonlocal asked
        if request.path != "/webhooks/stream":
            return web.Response(status=202)
        asked += 1
        assert request.headers["authorization"] == "Bearer k1"
        streamed = web.StreamResponse()
        await streamed.prepare(request)
        # The first time the connection ends, as in a restart.
        await streamed.write(b'{"signingSecret":"whsec_x"}\n\n' + line(f"hang-{asked}") + line("transcript"))
        if asked > 1:
            await asyncio.Event().wait()
        return streamed

    def posted(received: list[Received]) -> list[str]:
        return [one.type for one in received if one.path == "/dev"]

    async with Receiver(answer) as receiver:
        listening = asyncio.create_task(
            listen._forward(receiver.url, "k1", f"{receiver.url}/dev", frozenset({"hang-1", "hang-2"}))
        )
        try:
            received = await receiver.until(lambda all: len(posted(all)) == 2)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    assert posted(received) == ["hang-1", "hang-2"]
    said = capsys.readouterr()
    assert "hang-1 -> 202" in said.out
    assert "whsec_x" in said.err
    assert "went away" in said.err


async def test_a_key_that_is_refused_ends_it_with_the_reason() -> None:
    async def answer(request: web.Request, times: int) -> web.StreamResponse:
        return web.json_response({"message": "Invalid Key."}, status=401)

    async with Receiver(answer) as receiver:
        with pytest.raises(CommandFailed, match=r"401: Invalid Key\."):
            await listen._forward(receiver.url, "k1", receiver.url, frozenset())


async def test_a_callfold_that_was_never_there_is_named() -> None:
    with pytest.raises(CommandFailed, match=r"127\.0\.0\.1:1 cannot be reached"):
        await listen._forward("http://127.0.0.1:1", "k1", "http://127.0.0.1:1", frozenset())

"""Offers of browsers: answered here, or where there is room, and turned away only where nobody has any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.signing import is_call_token
from domain.web_calls import IceServer, OfferRefused, TooManyPeers
from infra.http_server import serving
from infra.listening import listen
from infra.web_calls import RoutedWebCalls
from tests.patience import PATIENCE_S

SECRET = b"a secret of thirty-two bytes....."


@pytest.fixture(autouse=True)
def _time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.web_calls._CONNECT_SECONDS", PATIENCE_S)


@dataclass
class Peers:
    """Of one process: answers with its name, or refuses."""

    name: str
    refusal: OfferRefused | None = None
    ice_servers: Sequence[IceServer] = ()
    asked: list[tuple[str, str, float]] = field(default_factory=list)

    async def answer(self, call_id: str, offer: str, *, join_s: float) -> str:
        self.asked.append((call_id, offer, join_s))
        if self.refusal is not None:
            raise self.refusal
        return self.name


@asynccontextmanager
async def media_process(peers: Peers) -> AsyncIterator[str]:
    """The other process over HTTP: what ``api.routes.forwarded`` answers."""
    app = FastAPI()

    @app.post("/internal/calls/{call_id}/offer")
    async def offer(request: Request, call_id: str) -> Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        assert is_call_token(SECRET, call_id, "forward", token)
        body = await request.json()
        try:
            sdp = await peers.answer(call_id, body["sdp"], join_s=body["joinSeconds"])
        except TooManyPeers as full:
            return JSONResponse({"message": str(full)}, 503)
        except OfferRefused as refused:
            return JSONResponse({"message": str(refused)}, 400)
        return JSONResponse({"type": "answer", "sdp": sdp})

    with listen("127.0.0.1", 0) as listener:
        async with serving(app, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def routed(own: Peers | None, *others: str) -> AsyncIterator[RoutedWebCalls]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield RoutedWebCalls(own, lambda: others, SECRET, (), client)


async def test_who_has_room_answers_and_nobody_else_is_asked() -> None:
    other = Peers("other")
    async with media_process(other) as address, routed(Peers("own"), address) as calls, asyncio.timeout(PATIENCE_S):
        assert await calls.answer("a", "offer", join_s=15.0) == "own"
    assert other.asked == []


async def test_a_full_process_passes_the_offer_on_to_one_with_room() -> None:
    own, full, other = Peers("own", TooManyPeers("full")), Peers("full", TooManyPeers("full too")), Peers("other")
    async with (
        media_process(full) as busy,
        media_process(other) as free,
        routed(own, busy, "http://127.0.0.1:9", free) as calls,
        asyncio.timeout(PATIENCE_S),
    ):
        assert await calls.answer("a", "offer", join_s=4.0) == "other"
    assert [len(peers.asked) for peers in (own, full)] == [1, 1]
    assert other.asked == [("a", "offer", 4.0)]


async def test_a_process_without_calls_asks_those_that_have_some() -> None:
    async with media_process(Peers("other")) as address, routed(None, address) as calls, asyncio.timeout(PATIENCE_S):
        assert await calls.answer("a", "offer", join_s=15.0) == "other"


async def test_where_nobody_has_room_the_browser_may_try_again() -> None:
    async with media_process(Peers("other", TooManyPeers("full"))) as address, asyncio.timeout(PATIENCE_S):
        async with routed(Peers("own", TooManyPeers("full")), address) as calls:
            with pytest.raises(TooManyPeers, match="503"):
                await calls.answer("a", "offer", join_s=15.0)
        async with routed(None) as alone:
            with pytest.raises(TooManyPeers, match="callfold media"):
                await alone.answer("a", "offer", join_s=15.0)


async def test_an_offer_that_one_refuses_is_not_tried_with_others() -> None:
    other = Peers("other")
    async with media_process(other) as address, routed(Peers("own", OfferRefused("no SDP")), address) as calls:
        with pytest.raises(OfferRefused, match="no SDP"):
            await calls.answer("a", "offer", join_s=15.0)
    assert other.asked == []

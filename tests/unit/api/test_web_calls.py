"""Calls from browsers: how they are asked for, where their offers go, and the page that makes them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from api.app import create_app
from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall
from domain.organization.founding import Founding
from domain.signing import call_token, is_call_token
from domain.web_calls import IceServer, OfferRefused, TooManyPeers, parse_ice_server
from tests.unit.api.application import application
from tests.unit.api.installation import SECRET, Installation

OFFER = {"type": "offer", "sdp": "v=0\r\n"}


@dataclass
class ScriptedWebCalls:
    """Answers every offer, or refuses as it is told."""

    refusal: OfferRefused | None = None
    ice_servers: Sequence[IceServer] = ()
    offers: list[tuple[str, str]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    async def answer(self, call_id: str, offer: str, *, join_s: float) -> str:
        self.waits.append(join_s)
        if self.refusal is not None:
            raise self.refusal
        self.offers.append((call_id, offer))
        return "v=0\r\nanswer"


@pytest.fixture
def web_calls() -> ScriptedWebCalls:
    return ScriptedWebCalls()


@pytest.fixture
async def browser(
    installation: Installation, founding: Founding, web_calls: ScriptedWebCalls
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with the organisation's public key."""
    app = application(replace(installation.dependencies, web_calls=web_calls), "of browsers")
    headers = {"authorization": f"Bearer {founding.public_key}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://calls.example", headers=headers
    ) as client:
        yield client


async def start(browser: httpx.AsyncClient) -> dict[str, Any]:
    created = await browser.post("/call/web", json={"assistant": {"firstMessage": "Hi"}})
    assert created.status_code == 201, created.text
    body: dict[str, Any] = created.json()
    return body


async def test_a_web_call_names_where_the_browser_connects_and_no_websocket(browser: httpx.AsyncClient) -> None:
    body = await start(browser)

    assert (body["type"], body["status"]) == ("webCall", "queued")
    assert body["transport"] == {
        "provider": "callfold.webrtc",
        "conversationType": "voice",
        "callUrl": body["webCallUrl"],
    }
    call_id, token, last = body["webCallUrl"].removeprefix("https://calls.example/").split("/")
    assert (call_id, last) == (body["id"], "webrtc")
    assert is_call_token(SECRET, call_id, "webrtc", token)


async def test_a_program_asks_for_the_same_by_its_transport(client: httpx.AsyncClient) -> None:
    created = await client.post("/call", json={"assistant": {}, "transport": {"provider": "callfold.webrtc"}})

    assert (created.status_code, created.json()["type"]) == (201, "webCall")
    assert created.json()["webCallUrl"] == created.json()["transport"]["callUrl"]


async def test_a_call_over_a_websocket_has_no_such_address(client: httpx.AsyncClient) -> None:
    created = await client.post("/call", json={"assistant": {}, "transport": {"provider": "vapi.websocket"}})

    assert "webCallUrl" not in created.json()
    assert "callUrl" not in created.json()["transport"]


async def test_audio_formats_are_not_for_browsers(client: httpx.AsyncClient) -> None:
    transport = {"provider": "callfold.webrtc", "audioFormat": {"format": "mulaw"}}

    refused = await client.post("/call", json={"assistant": {}, "transport": transport})

    assert refused.status_code == 400
    assert "audioFormat" in str(refused.json()["message"])


async def test_an_offer_is_answered(browser: httpx.AsyncClient, web_calls: ScriptedWebCalls) -> None:
    body = await start(browser)

    answered = await browser.post(body["webCallUrl"], json=OFFER)

    assert answered.status_code == 200
    assert answered.json() == {"type": "answer", "sdp": "v=0\r\nanswer"}
    assert answered.headers["cache-control"] == "no-store"
    assert web_calls.offers == [(body["id"], "v=0\r\n")]


@pytest.mark.parametrize(
    ("assistant", "overrides", "seconds"),
    [
        ({}, {}, 15.0),
        ({"customerJoinTimeoutSeconds": 40}, {}, 40.0),
        ({"customerJoinTimeoutSeconds": 40}, {"customerJoinTimeoutSeconds": 3}, 3.0),
    ],
)
async def test_the_assistant_says_how_long_its_caller_may_take_to_be_heard(
    browser: httpx.AsyncClient,
    web_calls: ScriptedWebCalls,
    assistant: dict[str, Any],
    overrides: dict[str, Any],
    seconds: float,
) -> None:
    created = await browser.post("/call/web", json={"assistant": assistant, "assistantOverrides": overrides})
    assert created.status_code == 201, created.text

    await browser.post(created.json()["webCallUrl"], json=OFFER)

    assert web_calls.waits == [seconds]


async def test_an_offer_that_another_process_passes_on_is_answered_by_this_one_only(
    installation: Installation, founding: Founding, web_calls: ScriptedWebCalls, browser: httpx.AsyncClient
) -> None:
    call_id = (await start(browser))["id"]
    forwarded = {**OFFER, "joinSeconds": 7}
    credential = {"authorization": f"Bearer {call_token(SECRET, call_id, 'forward')}"}
    serving = create_app(replace(installation.dependencies, own_web_calls=web_calls))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(serving), base_url="http://media-1") as media:
        forged = await media.post(f"/internal/calls/{call_id}/offer", json=forwarded)
        answered = await media.post(f"/internal/calls/{call_id}/offer", json=forwarded, headers=credential)
    not_serving = await browser.post(f"/internal/calls/{call_id}/offer", json=forwarded, headers=credential)

    assert forged.status_code == 401
    assert (answered.status_code, answered.json()["sdp"], web_calls.waits) == (200, "v=0\r\nanswer", [7.0])
    assert not_serving.status_code == 404


async def test_the_browser_learns_the_ice_servers(browser: httpx.AsyncClient, web_calls: ScriptedWebCalls) -> None:
    web_calls.ice_servers = (
        parse_ice_server("stun:stun.example:3478"),
        parse_ice_server("turn:me:se:cret@turn.example:3478?transport=udp"),
    )
    body = await start(browser)

    assert (await browser.get(body["webCallUrl"])).json() == {
        "iceServers": [
            {"urls": ["stun:stun.example:3478"]},
            {"urls": ["turn:turn.example:3478?transport=udp"], "username": "me", "credential": "se:cret"},
        ]
    }


@pytest.mark.parametrize(
    "text", ["http://stun.example", "stun.example", "turn:turn.example", "stun:me:x@host", "stun:"]
)
def test_what_is_no_ice_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"stun|turn"):
        parse_ice_server(text)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("purpose", ["transport", "listen", "control"])
async def test_the_token_of_another_address_opens_nothing(
    browser: httpx.AsyncClient, web_calls: ScriptedWebCalls, purpose: Any, method: str
) -> None:
    call_id = (await start(browser))["id"]

    refused = await browser.request(method, f"/{call_id}/{call_token(SECRET, call_id, purpose)}/webrtc", json=OFFER)

    assert refused.status_code == 404
    assert web_calls.offers == []


@pytest.mark.parametrize(
    ("refusal", "status", "message"),
    [
        (TooManyPeers("100 browsers are connected here"), 503, "No browser can connect now"),
        (OfferRefused("the offer is no session description"), 400, "the offer is no session description"),
    ],
)
async def test_a_refused_offer_says_why(
    browser: httpx.AsyncClient, web_calls: ScriptedWebCalls, refusal: OfferRefused, status: int, message: str
) -> None:
    body = await start(browser)
    web_calls.refusal = refusal

    refused = await browser.post(body["webCallUrl"], json=OFFER)

    assert refused.status_code == status
    assert message in refused.json()["message"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"type": "answer", "sdp": "v=0"}, "type"),
        ({"type": "offer"}, "sdp"),
    ],
)
async def test_what_is_no_offer_is_refused_by_its_field(
    browser: httpx.AsyncClient, sent: dict[str, str], field: str
) -> None:
    body = await start(browser)

    refused = await browser.post(body["webCallUrl"], json=sent)

    assert refused.status_code == 400
    assert field in str(refused.json()["message"])


async def test_a_call_that_is_held_or_over_takes_no_other_browser(
    browser: httpx.AsyncClient, installation: Installation, web_calls: ScriptedWebCalls
) -> None:
    body = await start(browser)
    commands = installation.dependencies.commands
    await commands.execute(CALL, body["id"], ClaimCall(owner="node", lease_seconds=5.0, address=""))
    held = await browser.post(body["webCallUrl"], json=OFFER)
    await commands.execute(CALL, body["id"], EndCall(reason="customer-ended-call"))
    over = await browser.post(body["webCallUrl"], json=OFFER)

    assert (held.status_code, held.json()["message"]) == (409, "Another browser holds the call already.")
    assert "ICE restart" in held.json()["detail"]
    assert (over.status_code, over.json()["message"]) == (409, "The call has ended with customer-ended-call.")
    assert web_calls.offers == []


async def test_a_process_without_calls_says_so(client: httpx.AsyncClient) -> None:
    created = await client.post("/call", json={"assistant": {}, "transport": {"provider": "callfold.webrtc"}})

    refused = await client.post(created.json()["webCallUrl"], json=OFFER)

    assert (refused.status_code, refused.json()["message"]) == (501, "This process serves no calls.")


async def test_the_page_takes_nothing_from_elsewhere_and_needs_no_key(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get("/call-me?assistant=x")

    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    parts = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert parts
    for part in parts:
        served = await anonymous.get(part)
        assert served.status_code == 200
        assert served.headers["x-content-type-options"] == "nosniff"
        for imported in re.findall(r'from "\./([^"]+)"', served.text):
            assert (await anonymous.get(f"/call-me/{imported}")).headers["content-type"].startswith("text/javascript")
        assert "http://" not in served.text
        assert "https://" not in served.text
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", page.text)


async def test_the_page_may_connect_to_where_calls_are_served(installation: Installation) -> None:
    elsewhere = replace(installation.dependencies.settings, media_url="https://media.example/")
    app = create_app(replace(installation.dependencies, settings=elsewhere))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://calls.example") as client:
        page = await client.get("/call-me")

    assert "connect-src 'self' https://media.example;" in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["call-me.html", "__init__.py", "..%2Fapp.py", "nothing.js"])
async def test_nothing_but_the_parts_of_the_page_is_served(anonymous: httpx.AsyncClient, name: str) -> None:
    assert (await anonymous.get(f"/call-me/{name}")).status_code == 404

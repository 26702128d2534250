"""Short forms of requests: stored in full, and refused with the full form where they could mean several things."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.errors import Problem
from api.short_forms import full_assistant, full_call, full_web_call
from domain.organization.founding import Founding
from tests.unit.api.installation import Installation

NUMBER = {"provider": "twilio", "number": "+14155550100", "twilioAccountSid": "AC1", "twilioAuthToken": "t"}


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ({"model": "gpt-4o"}, {"model": {"provider": "openai", "model": "gpt-4o"}}),
        ({"model": "claude-sonnet-4-6"}, {"model": {"provider": "anthropic", "model": "claude-sonnet-4-6"}}),
        ({"model": "gemini-2.5-flash"}, {"model": {"provider": "google", "model": "gemini-2.5-flash"}}),
        ({"model": "groq/openai/gpt-oss-20b"}, {"model": {"provider": "groq", "model": "openai/gpt-oss-20b"}}),
        (
            {"model": "gpt-4o", "prompt": "Be brief."},
            {
                "model": {
                    "provider": "openai",
                    "model": "gpt-4o",
                    "messages": [{"role": "system", "content": "Be brief."}],
                }
            },
        ),
        (
            {"model": {"provider": "vapi"}, "prompt": "Be brief."},
            {"model": {"provider": "vapi", "messages": [{"role": "system", "content": "Be brief."}]}},
        ),
        ({"voice": "Elliot"}, {"voice": {"provider": "vapi", "voiceId": "Elliot"}}),
        ({"voice": "alloy"}, {"voice": {"provider": "openai", "voiceId": "alloy"}}),
        ({"voice": "11labs/burt"}, {"voice": {"provider": "11labs", "voiceId": "burt"}}),
        ({"clientMessages": "conversation-update"}, {"clientMessages": ["conversation-update"]}),
        ({"serverMessages": "hang", "clientMessages": None}, {"serverMessages": ["hang"], "clientMessages": None}),
        ({"name": "x", "voice": {"provider": "vapi"}}, {"name": "x", "voice": {"provider": "vapi"}}),
    ],
)
def test_an_assistant_in_full(short: dict[str, Any], full: dict[str, Any]) -> None:
    assert full_assistant(short) == full
    assert full_assistant(full) == full


@pytest.mark.parametrize(
    "short",
    [
        {"model": "llama-3.3-70b"},
        {"model": "openai/"},
        {"model": "nobody/gpt-4o"},
        {"prompt": "Be brief."},
        {"model": {"provider": "vapi", "messages": []}, "prompt": "Be brief."},
        {"model": "gpt-4o", "prompt": 5},
        {"voice": "leo"},
        {"voice": "nobody/Elliot"},
    ],
)
async def test_an_assistant_that_could_mean_several_things(asking: httpx.AsyncClient, short: dict[str, Any]) -> None:
    answer = await asking.post("/assistant", json=short)
    assert answer.status_code == 400
    assert "In full: " in answer.json()["message"][0]
    assert "In full: " in answer.json()["detail"]


@pytest.mark.parametrize("place", ["assistant", "assistantOverrides"])
def test_a_calls_own_assistant_may_name_one_message(installation: Installation, place: str) -> None:
    short = {place: {"clientMessages": "hang", "serverMessages": ["status-update"]}}
    full = {place: {"clientMessages": ["hang"], "serverMessages": ["status-update"]}}
    assert full_call(short, installation.log, "org") == full
    assert full_web_call(short) == full
    assert full_web_call({place: 5}) == {place: 5}


async def test_what_older_assistants_still_have_is_taken(client: httpx.AsyncClient) -> None:
    older = {
        "backchannelingEnabled": True,
        "voice": {"provider": "vapi", "voiceId": "Elliot", "fillerInjectionEnabled": True},
    }
    made = await client.post("/assistant", json=older)
    assert made.status_code == 201, made.text
    assert made.json()["voice"] == older["voice"]


@pytest.mark.parametrize("delimiters", ["#", "", ["#"], ["#", "*"]])
async def test_delimiters_are_one_key_or_several(client: httpx.AsyncClient, delimiters: object) -> None:
    made = await client.post("/assistant", json={"keypadInputPlan": {"enabled": True, "delimiters": delimiters}})
    assert made.status_code == 201, made.text
    assert made.json()["keypadInputPlan"]["delimiters"] == delimiters


@pytest.mark.parametrize("delimiters", ["5", ["#", "5"]])
async def test_no_other_key_is_a_delimiter(client: httpx.AsyncClient, delimiters: object) -> None:
    refused = await client.post("/assistant", json={"keypadInputPlan": {"enabled": True, "delimiters": delimiters}})
    assert refused.status_code == 400
    assert "keypadInputPlan.delimiters must be one of the following values: #, *" in refused.json()["message"][0]


async def test_what_is_stored_is_the_full_form(client: httpx.AsyncClient) -> None:
    short = {"name": "Reception", "model": "gpt-4o", "prompt": "Be brief.", "voice": "vapi/Elliot"}
    made = await client.post("/assistant", json=short)
    assert made.status_code == 201, made.text
    stored = (await client.get(f"/assistant/{made.json()['id']}")).json()
    assert stored["model"]["messages"] == [{"role": "system", "content": "Be brief."}]
    assert stored["voice"] == {"provider": "vapi", "voiceId": "Elliot"}
    assert "prompt" not in stored


async def test_a_call_in_full(installation: Installation, client: httpx.AsyncClient, founding: Founding) -> None:
    number = (await client.post("/phone-number", json=NUMBER)).json()["id"]
    short = {
        "to": "+14155552671",
        "from": "+14155550100",
        "assistantId": "a",
        "webhookUrl": "https://hooks.example/calls",
        "record": True,
        "recordingUrl": "https://recordings.example/calls/",
        "metadata": {"order": 7},
    }
    full = {
        "assistantId": "a",
        "customer": {"number": "+14155552671"},
        "phoneNumberId": number,
        "assistantOverrides": {
            "server": {"url": "https://hooks.example/calls"},
            "metadata": {"order": 7},
            "artifactPlan": {"recordingEnabled": True, "recordingPath": "https://recordings.example/calls/"},
        },
    }
    assert full_call(short, installation.log, founding.organization_id) == full
    assert full_call(full, installation.log, founding.organization_id) == full
    by_id = full_call({"from": number}, installation.log, founding.organization_id)
    assert by_id == {"phoneNumberId": number}
    rival = await installation.found("Rival")
    with pytest.raises(Problem, match="there are none"):
        full_call(short, installation.log, rival.organization_id)
    await client.post("/phone-number", json=NUMBER)
    with pytest.raises(Problem, match="there are 2"):
        full_call(short, installation.log, founding.organization_id)


@pytest.mark.parametrize(
    "short",
    [
        {"to": "+14155552671", "customer": {"number": "+14155552671"}},
        {"to": "+14155552671", "customers": [{"number": "+14155552671"}]},
        {"to": 14155552671},
        {"from": "+14155550100", "phoneNumberId": "p"},
        {"from": "nobody's"},
        {"webhookUrl": "https://a.example", "assistantOverrides": {"server": {"url": "https://b.example"}}},
        {"metadata": {}, "assistantOverrides": {"metadata": {}}},
        {"record": "yes"},
        {"record": False, "recordingUrl": "https://r.example"},
    ],
)
async def test_a_call_that_could_mean_several_things(asking: httpx.AsyncClient, short: dict[str, Any]) -> None:
    answer = await asking.post("/call", json={"assistant": {}, **short})
    assert answer.status_code == 400
    assert "In full: " in answer.json()["message"][0]


async def test_a_call_over_a_websocket_takes_the_short_forms_that_concern_it(client: httpx.AsyncClient) -> None:
    short = {"assistant": {}, "transport": {"provider": "vapi.websocket"}, "record": False, "metadata": {"a": 1}}
    made = await client.post("/call", json=short)
    assert made.status_code == 201, made.text
    assert made.json()["assistantOverrides"] == {"metadata": {"a": 1}, "artifactPlan": {"recordingEnabled": False}}
    wrong = await client.post("/call", json={**short, "webhookUrl": "no address"})
    assert wrong.json()["message"][0].startswith("assistantOverrides.server.url must be a URL address")


async def test_a_browser_starts_calls_with_a_public_key_as_far_as_it_may(
    installation: Installation, client: httpx.AsyncClient, founding: Founding
) -> None:
    stored = (await client.post("/assistant", json={})).json()["id"]
    other = (await client.post("/assistant", json={})).json()["id"]
    restrictions = {"allowedOrigins": ["https://shop.example"], "allowedAssistantIds": [stored]}
    key = (await client.post("/token", json={"tag": "public", "restrictions": restrictions})).json()
    page = {"authorization": f"Bearer {key['value']}", "origin": "https://shop.example"}
    body = {"assistantId": stored, "transport": {"provider": "vapi.websocket"}}

    started = await client.post("/call/web", json=body, headers=page)
    assert started.status_code == 201, started.text
    assert started.json()["transport"]["websocketCallUrl"].startswith("wss://")
    in_browser = await client.post("/call/web", json={**body, "transport": None}, headers=page)
    assert in_browser.status_code == 201, in_browser.text
    assert in_browser.json()["webCallUrl"].startswith("https://")
    for changed, headers, status in (
        ({"assistantId": other}, page, 403),
        ({"assistantId": None, "assistant": {}}, page, 403),
        ({}, {**page, "origin": "https://elsewhere.example"}, 403),
        ({"transport": {"provider": "twilio"}}, page, 400),
        ({}, {**page, "authorization": f"Bearer {founding.private_key}"}, 401),
    ):
        answer = await client.post("/call/web", json={**body, **changed}, headers=headers)
        assert answer.status_code == status, (changed, answer.text)
    assert (await client.get(f"/call/{started.json()['id']}", headers=page)).status_code == 401
    await client.patch(f"/token/{key['id']}", json={"restrictions": {"enabled": False}})
    installation.clock.forward(seconds=6)
    assert (await client.post("/call/web", json=body, headers=page)).status_code == 401

"""Conversations in writing over the API: who answers, what they go on from, and what is left of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.call.events import MessageCommitted
from domain.chat.state import Completed
from domain.organization.founding import Founding
from media.chat.settings import ChatSettings
from tests.simulators.openai_server import CallTools, Drop, ErrorEvent, Hold, OpenAiServer, Say, Status
from tests.unit.api.application import application
from tests.unit.api.chatting import chatting
from tests.unit.api.installation import Installation

MOST_TURNS = 4
UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"
PROMPT = (
    "You are Riley.\n\n# Facts\nBreakfast: Breakfast is served from seven to ten.\nParking: Parking is {{ price }}."
)
RILEY = {
    "name": "Riley",
    "model": {"provider": "vapi", "model": "m", "messages": [{"role": "system", "content": PROMPT}]},
}
OPENAI = {
    "model": {"provider": "openai", "model": "gpt-4o-mini", "messages": [{"role": "system", "content": "Be brief."}]}
}
FREE = {"variableValues": {"price": "free"}}


async def made(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    object_: dict[str, Any] = answer.json()
    return object_


async def chat(client: httpx.AsyncClient, text: Any, **body: Any) -> dict[str, Any]:
    return await made(client, "/chat", input=text, **body)


def said(body: dict[str, Any]) -> str:
    return str(body["output"][-1]["content"]).strip()


def frames(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]


@pytest.fixture
async def riley(client: httpx.AsyncClient) -> str:
    return str((await made(client, "/assistant", **RILEY))["id"])


async def test_a_stored_assistant_answers(client: httpx.AsyncClient, riley: str) -> None:
    body = await chat(client, "when is breakfast?", assistantId=riley, name="morning")
    assert said(body) == "Breakfast is served from seven to ten."
    assert (body["assistantId"], body["name"], body["input"], body["messages"]) == (
        riley,
        "morning",
        "when is breakfast?",
        [],
    )
    assert [row["type"] for row in body["costs"]] == ["model", "chat"]
    assert body["cost"] == sum(row["cost"] for row in body["costs"])
    assert (await client.get(f"/chat/{body['id']}")).json() == body


async def test_an_inline_assistant_answers_with_the_values_given(client: httpx.AsyncClient) -> None:
    body = await chat(client, "how about parking?", assistant=RILEY, assistantOverrides=FREE)
    assert said(body) == "Parking is free."
    assert body["assistant"] == RILEY


async def test_overrides_other_than_values_change_nothing(client: httpx.AsyncClient, riley: str) -> None:
    overrides = {**FREE, "model": {"messages": [{"role": "system", "content": "# Facts\nParking: Parking is gone."}]}}
    body = await chat(client, "how about parking?", assistantId=riley, assistantOverrides=overrides)
    assert said(body) == "Parking is free."


async def test_a_chain_of_chats_is_one_conversation(client: httpx.AsyncClient, riley: str) -> None:
    first = await chat(client, "when is breakfast?", assistantId=riley, assistantOverrides=FREE)
    second = await chat(client, [{"role": "user", "message": "and parking?"}], previousChatId=first["id"])
    third = await chat(client, "thanks", previousChatId=second["id"])
    assert said(second) == "Parking is free."
    assert [message["content"] for message in third["messages"]] == [
        "when is breakfast?",
        "Breakfast is served from seven to ten.",
        "and parking?",
        "Parking is free.",
    ]
    assert third["messages"][2]["message"] == "and parking?"
    assert (third["assistantId"], third["previousChatId"]) == (riley, second["id"])


async def test_what_was_deleted_is_no_part_of_a_conversation(client: httpx.AsyncClient, riley: str) -> None:
    first = await chat(client, "when is breakfast?", assistantId=riley)
    second = await chat(client, "parking?", previousChatId=first["id"])
    assert (await client.delete(f"/chat/{first['id']}")).json()["id"] == first["id"]
    assert (await client.get(f"/chat/{second['id']}")).json()["messages"] == []
    refused = await client.post("/chat", json={"input": "x", "previousChatId": first["id"]})
    assert refused.status_code == 400
    assert refused.json()["message"] == [f"Couldn't Get Chat. `previousChatId` {first['id']} Does Not Exist."]
    assert (await client.get(f"/chat/{first['id']}")).status_code == 404


async def test_chats_of_a_session_share_its_history(client: httpx.AsyncClient, riley: str) -> None:
    session = await made(
        client,
        "/session",
        assistantId=riley,
        assistantOverrides=FREE,
        messages=[{"role": "assistant", "content": "Welcome.", "metadata": {"kept": True}}],
    )
    one = await chat(client, "when is breakfast?", sessionId=session["id"])
    two = await chat(
        client, "and parking?", sessionId=session["id"], assistantOverrides={"variableValues": {"price": 5}}
    )
    assert said(two) == "Parking is free.", "what a session says was filled in when it was created"
    assert [message["content"] for message in two["messages"]] == [
        "Welcome.",
        "when is breakfast?",
        "Breakfast is served from seven to ten.",
    ]
    shown = (await client.get(f"/session/{session['id']}")).json()
    assert shown["messages"][0] == {"role": "assistant", "content": "Welcome.", "metadata": {"kept": True}}
    assert [message["content"] for message in shown["messages"][1:]] == [
        "when is breakfast?",
        said(one),
        "and parking?",
        said(two),
    ]
    assert shown["cost"] == one["cost"] + two["cost"]
    assert [row["type"] for row in shown["costs"]] == ["model", "session"]
    assert shown["metadata"] == {"variableValues": {"price": "free"}}
    listed = (await client.get("/chat", params={"sessionId": session["id"], "sortOrder": "ASC"})).json()
    assert [found["id"] for found in listed["results"]] == [one["id"], two["id"]]
    assert listed["results"] == [one, two]


async def test_what_was_said_in_a_call_of_the_session_is_part_of_it(
    client: httpx.AsyncClient, riley: str, installation: Installation
) -> None:
    session = await made(client, "/session", assistantId=riley)
    before = await chat(client, "breakfast?", sessionId=session["id"])
    websocket = {"provider": "vapi.websocket"}
    call = await made(client, "/call", assistantId=riley, transport=websocket, sessionId=session["id"])
    words = {"started_ms": 10.0, "ended_ms": 20.0, "turn": 1}
    heard = [
        MessageCommitted(message_id="m0", role="user", text="I have a dog", **words),
        MessageCommitted(message_id="m1", role="assistant", text="Dogs are welcome.", **words),
    ]
    await installation.log.record(call["id"], heard, [installation.clock()] * 2)
    after = await chat(client, "parking?", sessionId=session["id"])
    spoken = ["I have a dog", "Dogs are welcome."]
    assert [m["content"] for m in after["messages"]] == ["breakfast?", said(before), *spoken]
    shown = (await client.get(f"/session/{session['id']}")).json()["messages"]
    assert [m["content"] for m in shown] == ["breakfast?", said(before), *spoken, "parking?", said(after)]
    await client.delete(f"/call/{call['id']}")
    assert "dog" not in (await client.get(f"/session/{session['id']}")).text
    over = await made(client, "/session", assistantId=riley, status="completed")
    refused = await client.post("/call", json={"assistantId": riley, "transport": websocket, "sessionId": over["id"]})
    assert (refused.status_code, "is completed" in refused.json()["message"][0]) == (400, True)
    assert len((await client.get("/call")).json()) == 0, "the refused call was not made"


async def test_a_session_keeps_the_assistant_that_it_was_created_with(client: httpx.AsyncClient, riley: str) -> None:
    session = await made(client, "/session", assistantId=riley)
    other = {
        "model": {"provider": "vapi", "messages": [{"role": "system", "content": "# Facts\nBreakfast: None."}]},
    }
    assert (await client.patch(f"/assistant/{riley}", json=other)).status_code == 200
    assert said(await chat(client, "breakfast?", sessionId=session["id"])) == "Breakfast is served from seven to ten."
    assert (await client.delete(f"/assistant/{riley}")).status_code == 200
    assert said(await chat(client, "breakfast?", sessionId=session["id"])) == "Breakfast is served from seven to ten."


async def test_a_session_that_is_over_takes_no_more_chats(
    client: httpx.AsyncClient, riley: str, installation: Installation
) -> None:
    session = await made(client, "/session", assistantId=riley, expirationSeconds=60)
    await chat(client, "hello", sessionId=session["id"])
    installation.clock.forward(seconds=61)
    refused = await client.post("/chat", json={"input": "hello?", "sessionId": session["id"]})
    assert refused.status_code == 400
    assert "is completed" in refused.json()["message"][0]
    assert (await client.get(f"/session/{session['id']}")).json()["status"] == "completed"


async def test_racing_chats_of_one_session_lose_no_message(client: httpx.AsyncClient, riley: str) -> None:
    session = await made(client, "/session", assistantId=riley)
    chats = await asyncio.gather(*(chat(client, f"breakfast {n}?", sessionId=session["id"]) for n in range(12)))
    messages = (await client.get(f"/session/{session['id']}")).json()["messages"]
    assert sorted(m["content"] for m in messages if m["role"] == "user") == sorted(body["input"] for body in chats)
    assert len(messages) == 24
    for number in range(0, 24, 2):
        assert [m["role"] for m in messages[number : number + 2]] == ["user", "assistant"], "one chat stands together"
    for body in chats:
        assert (await client.get(f"/chat/{body['id']}")).json()["messages"] == body["messages"], "what it had seen then"


async def test_it_is_written_as_it_comes(client: httpx.AsyncClient, riley: str) -> None:
    session = await made(client, "/session", assistantId=riley)
    body = {"input": "breakfast?", "sessionId": session["id"], "stream": True}
    sent = frames(await client.post("/chat", json=body))
    assert {frame["path"] for frame in sent} == {"chat.output[0].content"}
    assert {frame["sessionId"] for frame in sent} == {session["id"]}
    assert "".join(frame["delta"] for frame in sent) == "Breakfast is served from seven to ten."
    assert len(sent) > 3
    kept = (await client.get(f"/chat/{sent[0]['id']}")).json()
    assert (said(kept), kept["stream"]) == ("Breakfast is served from seven to ten.", True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"assistantId": UNKNOWN}, ["input is required"]),
        (
            {"input": "x"},
            "Couldn't Get Assistant. Need One Of `assistantId`, `assistant`, `sessionId` Or `previousChatId`.",
        ),
        ({"input": "x", "assistantId": UNKNOWN}, [f"Couldn't Get Assistant. `assistantId` {UNKNOWN} Does Not Exist."]),
        ({"input": "x", "sessionId": UNKNOWN}, [f"Couldn't Get Session. `sessionId` {UNKNOWN} Does Not Exist."]),
        (
            {"input": "x", "sessionId": UNKNOWN, "previousChatId": UNKNOWN},
            ["previousChatId should not exist beside sessionId: a chat goes on from one of them"],
        ),
        (
            {"input": "x", "sessionId": UNKNOWN, "assistantId": UNKNOWN},
            ["assistantId should not exist beside sessionId: the session says who answers"],
        ),
        ({"input": "x", "assistant": {}, "assistantId": UNKNOWN}, "Need Exactly One Of `assistantId`, `assistant`."),
        ({"input": 5, "assistant": {}}, ["input must be a string or an array of messages with role and content"]),
        (
            {"input": [{"role": "narrator", "content": "x"}], "assistant": {}},
            ["input.0.role must be one of the following values: system, user, assistant, tool, developer"],
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}], "assistant": {}},
            ["input.0.content must be a string, or an array of parts with type text and a text"],
        ),
        ({"input": "x", "assistant": {}, "foo": 1}, ["property foo should not exist"]),
        ({"input": "x", "assistant": {}, "name": "n" * 41}, ["name must be shorter than or equal to 40 characters"]),
    ],
)
async def test_what_makes_no_sense_is_refused(client: httpx.AsyncClient, body: dict[str, Any], message: Any) -> None:
    answer = await client.post("/chat", json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert (await client.get("/chat")).json()["metadata"]["totalItems"] == 0


async def test_what_is_not_built_says_so(client: httpx.AsyncClient) -> None:
    body = {"input": "x", "assistant": {}, "transport": {"type": "twilio.sms"}}
    answer = await client.post("/chat", json=body)
    assert answer.status_code == 501
    assert "text messages" in answer.json()["message"]


async def test_a_model_that_is_not_set_up_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/chat", json={"input": "x", "assistant": OPENAI})
    assert answer.status_code == 400
    assert "assistant.model" in answer.json()["message"][0]
    assert "OPENAI_API_KEY" in answer.json()["message"][0]


async def test_a_request_sent_again_under_its_key_is_answered_once(client: httpx.AsyncClient, riley: str) -> None:
    body, key = {"input": "breakfast?", "assistantId": riley}, {"idempotency-key": "one"}
    first, again, both, other = await asyncio.gather(
        *(client.post("/chat", json=body, headers=key) for _ in range(3)),
        client.post("/chat", json=body, headers={"idempotency-key": "two"}),
    )
    assert first.json() == again.json() == both.json()
    assert other.json()["id"] != first.json()["id"]
    streamed = await client.post("/chat", json={**body, "stream": True}, headers=key)
    assert streamed.status_code == 422, "another body"
    assert (await client.get("/chat")).json()["metadata"]["totalItems"] == 2


async def test_lists_are_filtered_sorted_and_paged(client: httpx.AsyncClient, riley: str) -> None:
    other = (await made(client, "/assistant", **RILEY))["id"]
    first = await chat(client, "hello", assistantId=riley)
    second = await chat(client, "hello again", previousChatId=first["id"])
    third = await chat(client, "hi", assistantId=other)

    async def ids(**parameters: Any) -> list[str]:
        return [found["id"] for found in (await client.get("/chat", params=parameters)).json()["results"]]

    assert await ids() == [third["id"], second["id"], first["id"]]
    assert await ids(sortOrder="ASC", limit=2, page=2) == [third["id"]]
    assert await ids(assistantId=riley) == [second["id"], first["id"]]
    assert await ids(assistantIdAny=f"{other},{UNKNOWN}") == [third["id"]]
    assert await ids(previousChatId=first["id"]) == [second["id"]]
    assert await ids(id=first["id"]) == [first["id"]]
    assert await ids(idAny=f"{third['id']},{UNKNOWN},{first['id']}") == [third["id"], first["id"]]
    assert await ids(sessionId=UNKNOWN) == []
    assert await ids(createdAtGt=first["createdAt"]) == [third["id"], second["id"]]
    assert set(await ids(sortBy="cost")) == {first["id"], second["id"], third["id"]}
    assert (await client.get("/chat", params={"foo": 1})).status_code == 400


async def test_a_list_shows_each_chat_as_it_is_alone(client: httpx.AsyncClient, riley: str) -> None:
    put = [{"role": "assistant", "content": "Welcome."}]
    session = await made(client, "/session", assistantId=riley, messages=put)
    held = [await chat(client, "when is breakfast?", sessionId=session["id"]) for _ in range(3)]
    await client.patch(f"/session/{session['id']}", json={"messages": [{"role": "user", "content": "Again."}]})
    held.append(await chat(client, "and parking?", sessionId=session["id"]))
    for _ in range(3):
        held.append(await chat(client, "more?", previousChatId=held[-1]["id"]))
    held.append(await chat(client, "aside", previousChatId=held[1]["id"]))
    await client.delete(f"/chat/{held.pop(4)['id']}")
    listed = (await client.get("/chat?sortOrder=ASC")).json()["results"]
    assert listed == [(await client.get(f"/chat/{one['id']}")).json() for one in held]
    assert [len(one["messages"]) for one in listed] == [1, 3, 5, 1, 0, 2, 5]


async def test_a_chat_is_another_organizations_own(
    client: httpx.AsyncClient, riley: str, installation: Installation
) -> None:
    body = await chat(client, "hello", assistantId=riley)
    session = await made(client, "/session", assistantId=riley)
    rival = await installation.found("Rival")
    key = {"authorization": f"Bearer {rival.private_key}"}
    for method in ("GET", "DELETE"):
        assert (await client.request(method, f"/chat/{body['id']}", headers=key)).status_code == 404
    assert (await client.get(f"/chat/{body['id']}/events", headers=key)).status_code == 404
    for foreign in ({"previousChatId": body["id"]}, {"sessionId": session["id"]}, {"assistantId": riley}):
        assert (await client.post("/chat", json={"input": "x", **foreign}, headers=key)).status_code == 400
    assert (await client.get("/chat", headers=key)).json()["results"] == []


async def test_every_message_is_an_event(client: httpx.AsyncClient, riley: str) -> None:
    secret = {**RILEY, "server": {"url": "https://t.example", "secret": "s3cret"}}
    body = await chat(client, "breakfast?", assistant=secret, assistantOverrides=FREE)
    events = (await client.get(f"/chat/{body['id']}/events")).json()
    assert [event["type"] for event in events] == [
        "chat.created",
        "chat.usage_metered",
        "chat.message_committed",
        "chat.usage_metered",
        "chat.completed",
    ]
    assert events[2]["data"]["text"] == "Breakfast is served from seven to ten."
    assert "s3cret" not in json.dumps(events) + json.dumps(body)
    at_its_creation = await client.get(f"/chat/{body['id']}", params={"at": events[0]["position"]})
    assert at_its_creation.json()["output"] == []


async def test_a_web_page_uses_the_public_key(client: httpx.AsyncClient, founding: Founding, riley: str) -> None:
    public = {"authorization": f"Bearer {founding.public_key}"}
    body = {"input": "breakfast?", "assistantId": riley}
    assert (await client.post("/chat/web", json=body)).status_code == 401
    assert (await client.post("/chat", json=body, headers=public)).status_code == 401
    answer = await client.post("/chat/web", json=body, headers=public)
    assert said(answer.json()) == "Breakfast is served from seven to ten."
    response = await client.post("/chat/web/responses", json={**body, "stream": False}, headers=public)
    assert response.json()["output"][0]["content"][0]["text"] == "Breakfast is served from seven to ten."


async def test_a_restricted_key_talks_to_its_own_assistants_only(client: httpx.AsyncClient, riley: str) -> None:
    other = (await made(client, "/assistant", **RILEY))["id"]
    restrictions = {"allowedAssistantIds": [riley]}
    token = await made(client, "/token", tag="public", name="page", restrictions=restrictions)
    page = {"authorization": f"Bearer {token['value']}"}
    foreign = await chat(client, "hello", assistantId=other)
    session = await made(client, "/session", assistantId=other)

    async def status(**body: Any) -> int:
        return (await client.post("/chat/web", json={"input": "breakfast?", **body}, headers=page)).status_code

    assert await status(assistantId=riley) == 200
    assert await status(assistantId=other) == 403
    assert await status(assistant=RILEY) == 403
    assert await status(previousChatId=foreign["id"]) == 403
    assert await status(sessionId=session["id"]) == 403
    own = await chat(client, "hello", assistantId=riley)
    assert await status(previousChatId=own["id"]) == 403, "what was said on no page is no page's to read"
    mine = await client.post("/chat/web", json={"input": "hello", "assistantId": riley}, headers=page)
    assert await status(previousChatId=mine.json()["id"]) == 200
    front = {"members": [{"assistantId": riley}, {"assistant": {"name": "Billing"}}]}
    squad = (await made(client, "/squad", **front))["id"]
    for way in ({"squad": front}, {"squadId": squad}):
        begun = await client.post("/chat/web", json={"input": "hello", **way}, headers=await unrestricted(client))
        assert begun.status_code == 200, begun.text
        assert await status(**way) == await status(previousChatId=begun.json()["id"]) == 403


async def unrestricted(client: httpx.AsyncClient) -> dict[str, str]:
    token = await made(client, "/token", tag="public", name="any page")
    return {"authorization": f"Bearer {token['value']}"}


@pytest.fixture
async def openai_server(request: pytest.FixtureRequest) -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer(*request.param) as server:
        yield server


@pytest.fixture
def limits() -> ChatSettings:
    """As patient as an installation is, so that a busy machine is not taken for a model that does not answer."""
    return ChatSettings(most_turns=MOST_TURNS)


@pytest.fixture
async def talking(
    installation: Installation, founding: Founding, openai_server: OpenAiServer, limits: ChatSettings
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an installation whose ``openai`` is the simulator."""
    tier = chatting(installation.log, installation.clock, openai_base_url=openai_server.base_url, settings=limits)
    app = application(replace(installation.dependencies, chats=tier), "with a model")
    key = {"authorization": f"Bearer {founding.private_key}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://c.example", headers=key
    ) as client:
        yield client
    await tier.close()


def scripted(*script: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("openai_server", [script], indirect=True)


@scripted(Say("It is nine.", usage=(1000, 100, 500)))
async def test_every_cent_follows_from_the_readings(talking: httpx.AsyncClient, openai_server: OpenAiServer) -> None:
    body = await chat(talking, [{"role": "user", "content": "What time is it?"}], assistant=OPENAI)
    asked = openai_server.requests[0].body
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What time is it?"},
    ]
    assert body["costs"][0]["cost"] == pytest.approx(500 * 0.15e-6 + 500 * 0.075e-6 + 100 * 0.6e-6)
    assert body["costs"][1] == {"type": "chat", "cost": 0.005}


@scripted(Status(401, "invalid_api_key"))
async def test_a_chat_that_fails_is_kept_and_not_repeated(talking: httpx.AsyncClient, riley: str) -> None:
    answer = await talking.post("/chat", json={"input": "Hm", "assistant": OPENAI})
    body = answer.json()
    assert (answer.status_code, body["code"], body["reason"]) == (
        424,
        "CHAT_FAILED",
        "pipeline-error-openai-401-incorrect-api-key",
    )
    kept = (await talking.get(f"/chat/{body['chatId']}")).json()
    assert (kept["status"], kept["output"], kept["cost"]) == ("failed", [], 0)
    refused = await talking.post("/chat", json={"input": "x", "previousChatId": body["chatId"], "assistantId": riley})
    assert refused.status_code == 400
    assert "was not answered" in refused.json()["message"][0]


@scripted(Drop("It is "), ErrorEvent())
async def test_what_breaks_while_it_is_written_is_said_in_the_stream(talking: httpx.AsyncClient) -> None:
    sent = frames(await talking.post("/chat", json={"input": "Hm", "assistant": OPENAI, "stream": True}))
    assert [frame["path"] for frame in sent] == ["chat.output[0].content"] * 3 + ["chat.error"]
    assert sent[-1]["error"]["code"] == "CHAT_FAILED"
    kept = (await talking.get(f"/chat/{sent[0]['id']}")).json()
    assert (said(kept), kept["status"]) == ("It is", "failed")
    events = [
        json.loads(line.removeprefix("data: "))
        for line in (await talking.post("/chat/responses", json={"input": "Hm", "assistant": OPENAI})).text.splitlines()
        if line
    ]
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "CHAT_FAILED")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@scripted(Hold(after="One "))
@pytest.mark.parametrize("limits", [ChatSettings(answer_within_s=8)])
async def test_an_answer_that_does_not_end_is_ended(talking: httpx.AsyncClient) -> None:
    answer = await talking.post("/chat", json={"input": "Hm", "assistant": OPENAI})
    assert (answer.status_code, answer.json()["reason"]) == (424, "timeout")
    kept = (await talking.get(f"/chat/{answer.json()['chatId']}")).json()
    assert said(kept) == "One"


@scripted(Hold(after="One "))
async def test_a_client_that_goes_leaves_its_chat_to_be_finished(
    talking: httpx.AsyncClient, openai_server: OpenAiServer, installation: Installation
) -> None:
    body = {"input": "Hm", "assistant": OPENAI}
    asking = asyncio.create_task(talking.post("/chat", json=body, headers={"idempotency-key": "k"}))
    await openai_server.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    openai_server.release.set()
    async for batch in installation.log.follow(installation.log.head(), frozenset({"chat.created"})):
        kept = installation.log.get("chat", batch[0].recorded.originator_id)
        break
    assert kept is not None
    assert isinstance(kept.state, Completed)
    again = await talking.post("/chat", json=body, headers={"idempotency-key": "k"})
    assert said(again.json()) == "One"


CLIENT_TOOL = {
    "type": "function",
    "function": {"name": "where_am_i", "parameters": {"type": "object", "properties": {}}},
}


@scripted(CallTools(calls=(("where_am_i", "{}"),)), Say("You are in Ghent."))
async def test_a_tool_without_a_server_is_the_clients_to_run(
    talking: httpx.AsyncClient, openai_server: OpenAiServer
) -> None:
    assistant = {"model": {**OPENAI["model"], "tools": [CLIENT_TOOL]}}
    first = await chat(talking, "Where am I?", assistant=assistant)
    (call,) = first["output"][-1]["tool_calls"]
    assert call["function"]["name"] == "where_am_i"
    result = [{"role": "tool", "tool_call_id": call["id"], "content": "51.05 N, 3.73 E"}]
    second = await chat(talking, result, previousChatId=first["id"])
    assert said(second) == "You are in Ghent."
    roles = [(message["role"], message.get("tool_call_id")) for message in openai_server.requests[1].body["messages"]]
    assert roles == [("system", None), ("user", None), ("assistant", None), ("tool", call["id"])]


@scripted(CallTools(calls=(("nothing", "{}"),)))
async def test_a_model_in_a_loop_is_stopped(talking: httpx.AsyncClient, openai_server: OpenAiServer) -> None:
    answer = await talking.post("/chat", json={"input": "Hm", "assistant": OPENAI})
    assert (answer.status_code, answer.json()["reason"]) == (424, "tool-loop")
    assert len(openai_server.requests) == MOST_TURNS


MANY = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@for_all(st.lists(st.sampled_from(["start", "follow", "session", "delete"]), min_size=1, max_size=6))
async def test_history_is_what_was_written_and_is_still_there(
    client: httpx.AsyncClient, installation: Installation, steps: list[str]
) -> None:
    """Whatever the order of chats, follow-ups and deletions: each chat shows exactly the living ones before it."""
    session = await made(client, "/session", assistant=RILEY)
    chats: list[dict[str, Any]] = []
    parent: dict[str, str | None] = {}
    order: list[str] = []
    for number, step in enumerate(steps):
        living = [body for body in chats if (await client.get(f"/chat/{body['id']}")).status_code == 200]
        match step:
            case "follow" if living:
                chats.append(await chat(client, f"say {number}", previousChatId=living[-1]["id"]))
                parent[chats[-1]["id"]] = living[-1]["id"]
            case "session":
                chats.append(await chat(client, f"say {number}", sessionId=session["id"]))
                order.append(chats[-1]["id"])
            case "delete" if living:
                await client.delete(f"/chat/{living[0]['id']}")
            case _:
                chats.append(await chat(client, f"say {number}", assistant=RILEY))
    alive = {body["id"]: body for body in chats if (await client.get(f"/chat/{body['id']}")).status_code == 200}

    def inputs_before(chat_id: str) -> list[str]:
        before = parent.get(chat_id)
        if before is not None and before in alive:
            return [*inputs_before(before), alive[before]["input"]]
        if chat_id in order:
            return [alive[other]["input"] for other in order[: order.index(chat_id)] if other in alive]
        return []

    for chat_id in alive:
        shown = (await client.get(f"/chat/{chat_id}")).json()["messages"]
        assert [message["content"] for message in shown if message["role"] == "user"] == inputs_before(chat_id)
    held = (await client.get(f"/session/{session['id']}")).json()["messages"]
    assert [m["content"] for m in held if m["role"] == "user"] == [alive[c]["input"] for c in order if c in alive]

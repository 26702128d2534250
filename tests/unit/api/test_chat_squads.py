"""Squads in chats: who has the word, what whoever takes it gets to read, and who has it in the chats that follow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from domain.organization.founding import Founding
from tests.simulators.openai_server import CallTools, OpenAiServer, Say
from tests.unit.api.application import application
from tests.unit.api.chatting import chatting
from tests.unit.api.installation import Installation
from tests.unit.media.tools.tool_server import ToolServer, tool_server

TO_BILLING = CallTools((("handoff_to_Billing", "{}"),), text="One moment.")
PAID = Say("It is paid.")


def member(name: str, *handoffs: dict[str, Any], **more: Any) -> dict[str, Any]:
    tools = [{"type": "handoff", "destinations": [{"type": "assistant", **each}]} for each in handoffs]
    prompt = {"role": "system", "content": f"You are {name}."}
    return {"name": name, "model": {"provider": "openai", "model": "m", "messages": [prompt], "tools": tools}, **more}


DESK = member("Desk", {"assistantName": "Billing"})
SQUAD = {"members": [{"assistant": DESK}, {"assistant": member("Billing", {"assistantName": "Desk"})}]}


@pytest.fixture
async def model(request: pytest.FixtureRequest) -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer(*request.param) as server:
        yield server


@pytest.fixture
async def talking(
    installation: Installation, founding: Founding, model: OpenAiServer
) -> AsyncIterator[httpx.AsyncClient]:
    tier = chatting(installation.log, installation.clock, openai_base_url=model.base_url)
    transport = httpx.ASGITransport(application(replace(installation.dependencies, chats=tier), "with a model"))
    key = {"authorization": f"Bearer {founding.private_key}"}
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=key) as client:
        yield client
    await tier.close()


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


def scripted(*script: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", [script], indirect=True)


async def made(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    object_: dict[str, Any] = answer.json()
    return object_


def read(model: OpenAiServer, request: int) -> list[tuple[str, str]]:
    """What a request showed the model, without tool calls."""
    shown = model.requests[request].body["messages"]
    return [(message["role"], (message.get("content") or "").strip()) for message in shown]


def texts(body: dict[str, Any]) -> list[str]:
    return [message["content"].strip() for message in body["output"] if message["role"] == "assistant"]


@scripted(TO_BILLING, PAID)
async def test_the_next_assistant_answers_in_the_same_chat(
    talking: httpx.AsyncClient, model: OpenAiServer, installation: Installation
) -> None:
    body = await made(talking, "/chat", input="Is my bill paid?", squad=SQUAD)
    assert texts(body) == ["One moment.", "It is paid."]
    assert body["output"][1]["content"] == "The conversation was handed to Billing."
    assert read(model, 1) == [
        ("system", "You are Billing."),
        ("user", "Is my bill paid?"),
        ("assistant", "One moment."),
        ("tool", "The conversation was handed to Billing."),
    ]
    types = [positioned.recorded.event.TYPE for positioned in installation.log.history(body["id"])]
    assert types.count("chat.assistant_activated") == 1
    assert (await talking.get(f"/chat/{body['id']}")).json() == body


@scripted(TO_BILLING, PAID, Say("On Monday."), Say("By card."))
async def test_who_has_the_word_keeps_it_in_the_chats_that_follow(
    talking: httpx.AsyncClient, model: OpenAiServer
) -> None:
    first = await made(talking, "/chat", input="Is my bill paid?", squad=SQUAD)
    second = await made(talking, "/chat", input="When?", previousChatId=first["id"])
    await talking.delete(f"/chat/{first['id']}")
    third = await made(talking, "/chat", input="How?", previousChatId=second["id"])
    assert (texts(second), texts(third)) == (["On Monday."], ["By card."])
    assert read(model, 2)[0] == read(model, 3)[0] == ("system", "You are Billing.")
    offered = [tool["function"]["name"] for tool in model.requests[3].body["tools"]]
    assert offered == ["handoff_to_Desk"], "names are still looked up in the squad of the chat that is gone"


@pytest.mark.parametrize(
    ("plan", "known"),
    [
        ({"type": "none"}, []),
        ({"type": "lastNMessages", "maxMessages": 3}, ["user", "assistant", "tool"]),
        ({"type": "userAndAssistantMessages"}, ["user", "assistant", "user", "assistant"]),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
@scripted(Say("Hello."), TO_BILLING, PAID, Say("On Monday."))
async def test_what_the_context_plan_leaves_out_stays_unknown(
    talking: httpx.AsyncClient, model: OpenAiServer, plan: dict[str, Any], known: list[str]
) -> None:
    desk = member("Desk", {"assistantName": "Billing", "contextEngineeringPlan": plan})
    squad = {"members": [{"assistant": desk}, {"assistant": member("Billing")}]}
    first = await made(talking, "/chat", input="Hi", squad=squad)
    second = await made(talking, "/chat", input="Is my bill paid?", previousChatId=first["id"])
    await made(talking, "/chat", input="When?", previousChatId=second["id"])
    assert [role for role, _ in read(model, 2)] == ["system", *known]
    later = [role for role, _ in read(model, 3)]
    assert later == ["system", *known, "assistant", "user"], "the same holds in the chats that follow"


@scripted(TO_BILLING, PAID, Say("On Monday."))
async def test_a_session_with_a_squad_goes_on_with_who_had_the_word(
    talking: httpx.AsyncClient, model: OpenAiServer
) -> None:
    stored = await made(talking, "/assistant", **member("Billing"))
    desk = await made(talking, "/assistant", **member("Desk", {"assistantId": stored["id"]}))
    members = [{"assistantId": desk["id"]}, {"assistantId": stored["id"]}]
    squad = await made(talking, "/squad", name="Front", members=members)
    session = await made(talking, "/session", squadId=squad["id"])
    renamed = {"model": {**stored["model"], "messages": [{"role": "system", "content": "You are somebody else."}]}}
    assert (await talking.patch(f"/assistant/{stored['id']}", json=renamed)).status_code == 200
    model.script = (CallTools(((f"handoff_to_{stored['id']}", "{}"),)), PAID, Say("On Monday."))
    first = await made(talking, "/chat", input="Is my bill paid?", sessionId=session["id"])
    await made(talking, "/chat", input="When?", sessionId=session["id"])
    assert texts(first)[-1] == "It is paid."
    prompts = [read(model, request)[0][1] for request in range(3)]
    assert prompts == ["You are Desk.", "You are Billing.", "You are Billing."], "as it was when the session began"


@scripted(CallTools((("handoff_to_Nobody", "{}"),)), Say("I will try myself."))
async def test_a_hand_over_that_fails_is_told_to_the_model(talking: httpx.AsyncClient, model: OpenAiServer) -> None:
    squad = {"members": [{"assistant": member("Desk", {"assistantName": "Nobody"})}]}
    body = await made(talking, "/chat", input="Help!", squad=squad)
    assert texts(body)[-1] == "I will try myself."
    assert read(model, 1)[-1] == ("tool", "The conversation cannot be handed there now.")
    assert read(model, 1)[0] == ("system", "You are Desk.")


@scripted(
    CallTools((("transferCall", '{"destination": "Billing"}'), ("transferCall", '{"destination": "+14155552671"}'))),
    PAID,
)
async def test_of_several_ways_on_the_first_is_taken(talking: httpx.AsyncClient, model: OpenAiServer) -> None:
    destinations = [{"type": "assistant", "assistantName": "Billing"}, {"type": "number", "number": "+14155552671"}]
    desk = member("Desk")
    desk["model"]["tools"] = [{"type": "transferCall", "destinations": destinations}]
    squad = {"members": [{"assistant": desk}, {"assistant": member("Billing")}]}
    body = await made(talking, "/chat", input="Help!", squad=squad)
    results = [message["content"] for message in body["output"] if message["role"] == "tool"]
    assert results == ["The conversation is being handed over already.", "The conversation was handed to Billing."]


@scripted(CallTools((("transferCall", "{}"),)), Say("Then write to us."))
async def test_nobody_is_transferred_to_a_telephone(talking: httpx.AsyncClient, model: OpenAiServer) -> None:
    desk = member("Desk")
    desk["model"]["tools"] = [{"type": "transferCall", "destinations": [{"type": "number", "number": "+14155552671"}]}]
    await made(talking, "/chat", input="Call me", assistant=desk)
    assert read(model, 1)[-1] == ("tool", "A conversation in writing cannot be transferred to a telephone.")


@scripted(CallTools((("handoff_to_dynamic", '{"reason": "bill"}'),)), PAID)
async def test_a_server_may_say_where_it_goes(
    talking: httpx.AsyncClient, model: OpenAiServer, server: ToolServer
) -> None:
    server.answers = [(200, b'{"destination": {"type": "assistant", "assistantName": "Billing"}, "result": "Done."}')]
    desk = member("Desk")
    desk["model"]["tools"] = [{"type": "handoff", "destinations": [{"type": "dynamic", "server": {"url": server.url}}]}]
    squad = {"members": [{"assistant": desk}, {"assistant": member("Billing")}]}
    body = await made(talking, "/chat", input="Is my bill paid?", squad=squad)
    asked = server.received[0].message
    assert (asked["type"], asked["chat"]["id"]) == ("handoff-destination-request", body["id"])
    assert (read(model, 1)[0], read(model, 1)[-1]) == (("system", "You are Billing."), ("tool", "Done."))


async def test_a_squad_that_could_not_be_stored_answers_nothing(client: httpx.AsyncClient) -> None:
    twins = {"members": [{"assistant": {"name": "Ann"}}, {"assistant": {"name": "Ann"}}]}
    answer = await client.post("/chat", json={"input": "Hi", "squad": twins})
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "Duplicate Assistant Name: Ann. Every member of a squad needs a name of its own.",
    )
    nobody = await client.post("/chat", json={"input": "Hi", "squad": {"members": [{}]}})
    assert nobody.json()["message"] == ["squad.members.0 must have exactly one of assistantId, assistant"]

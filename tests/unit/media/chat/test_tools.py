"""Tools in chats: real requests to a tool server, and what the model and the log hear of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.chats import ChatOrder, ChatOver
from domain.configuration.commands import CreateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from media.chat.settings import ChatSettings
from media.chat.tier import ChatTier
from streams.log.embedded import EmbeddedLog
from tests.simulators.openai_server import CallTools, OpenAiServer, Say
from tests.unit.api.chatting import chatting
from tests.unit.api.installation import SettableClock, new_id
from tests.unit.media.tools.tool_server import ToolServer, tool_server

DONE = Say("Done.")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    built = EmbeddedLog.open(tmp_path / "log.db", clock=SettableClock(), new_id=new_id)
    yield built
    built.close()


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


@pytest.fixture
async def model(request: pytest.FixtureRequest) -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer(*request.param) as running:
        yield running


@pytest.fixture
async def tier(log: EmbeddedLog, model: OpenAiServer) -> AsyncIterator[ChatTier]:
    settings = ChatSettings(tool_timeout_s=1, tool_result_cap=20)
    running = chatting(log, SettableClock(), openai_base_url=model.base_url, settings=settings)
    yield running
    await running.close()


def calling(*calls: tuple[str, str], then: Any = DONE) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", [(CallTools(calls=calls, text=""), then)], indirect=True)


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}, **more}


async def held(tier: ChatTier, *tools: dict[str, Any], **model: Any) -> ChatOver:
    assistant = {
        "model": {"provider": "openai", "model": "gpt-4o-mini", "tools": list(tools), **model},
        "endCallMessage": "Goodbye.",
    }
    order = ChatOrder(
        chat_id=new_id(),
        org_id="org",
        request={"input": "Book it.", "assistant": assistant},
        input=({"role": "user", "content": "Book it."},),
        assistant=assistant,
    )
    return await (await tier.hold(order)).over()


def events(log: EmbeddedLog, over: ChatOver) -> list[str]:
    return [positioned.recorded.event.TYPE for positioned in log.history(over.chat.identity.id)]


@calling(("book", '{"day": "Friday"}'))
async def test_a_function_runs_on_the_tenants_server(
    log: EmbeddedLog, tier: ChatTier, model: OpenAiServer, server: ToolServer
) -> None:
    server.answer({"toolCallId": "call_0", "result": "Booked."})
    tool = function("book", server={"url": server.url, "secret": "s3cret"}, parameters=[{"key": "clinic", "value": 7}])
    over = await held(tier, tool)
    assert events(log, over) == [
        "chat.created",
        "chat.usage_metered",
        "chat.tool_called",
        "chat.tool_completed",
        "chat.usage_metered",
        "chat.message_committed",
        "chat.usage_metered",
        "chat.completed",
    ]
    message = server.received[0].message
    assert server.received[0].headers["x-vapi-secret"] == "s3cret"
    assert message["toolCalls"][0]["function"]["arguments"] == {"day": "Friday", "clinic": 7}
    assert message["chat"]["id"] == over.chat.identity.id
    assert "s3cret" not in str(message)
    assert model.requests[1].body["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "call_0",
        "name": "book",
        "content": "Booked.",
    }


@calling(("book", "{}"), ("cancel", "{}"))
async def test_parallel_calls_of_one_server_are_one_request(
    tier: ChatTier, model: OpenAiServer, server: ToolServer
) -> None:
    server.answer(
        {"toolCallId": "call_1", "error": "Nothing to cancel."}, {"toolCallId": "call_0", "result": "Booked."}
    )
    await held(tier, *(function(name, server={"url": server.url}) for name in ("book", "cancel")))
    assert len(server.received) == 1
    told = [(m["tool_call_id"], m["content"]) for m in model.requests[1].body["messages"] if m["role"] == "tool"]
    assert told == [("call_0", "Booked."), ("call_1", "Nothing to cancel.")]


@calling(("book", "{}"))
@pytest.mark.parametrize(
    ("answer", "failure"),
    [((500, b""), "http-status"), ((200, b"<html>"), "bad-body"), ((200, b"{}"), "no-result")],
)
async def test_a_tool_that_fails_is_told_to_the_model_and_the_chat_goes_on(
    log: EmbeddedLog, tier: ChatTier, server: ToolServer, answer: tuple[int, bytes], failure: str
) -> None:
    server.answers.append(answer)
    over = await held(tier, function("book", server={"url": server.url}))
    (failed,) = [p.recorded.event for p in log.history(over.chat.identity.id) if "failed" in p.recorded.event.TYPE]
    assert failed.failure == failure  # type: ignore[attr-defined]  # the only event of that name here
    assert events(log, over)[-1] == "chat.completed"


@calling(("book", "{}"))
async def test_a_server_that_does_not_answer_is_given_up(
    tier: ChatTier, model: OpenAiServer, server: ToolServer
) -> None:
    server.hold.clear()
    try:
        await held(tier, function("book", server={"url": server.url, "timeoutSeconds": 1}))
    finally:
        server.hold.set()
    assert "did not answer within 1 seconds" in model.requests[1].body["messages"][-1]["content"]


@calling(("book", "{}"))
async def test_a_result_of_any_length_is_cut_with_a_warning(
    log: EmbeddedLog, tier: ChatTier, model: OpenAiServer, server: ToolServer
) -> None:
    server.answer({"toolCallId": "call_0", "result": "x" * 100})
    over = await held(tier, function("book", server={"url": server.url}))
    assert model.requests[1].body["messages"][-1]["content"] == "x" * 20
    assert "chat.warned" in events(log, over)


@calling(("endCall", "{}"))
async def test_a_model_that_ends_the_conversation_says_goodbye(tier: ChatTier, model: OpenAiServer) -> None:
    over = await held(tier, {"type": "endCall"})
    assert [entry.message.text for entry in over.chat.entries if hasattr(entry, "message")] == ["Goodbye."]
    assert len(model.requests) == 1


@calling(("nothing", "{}"), ("dial", "{}"), ("broken", "[]"))
async def test_what_cannot_run_is_told_to_the_model(tier: ChatTier, model: OpenAiServer, server: ToolServer) -> None:
    await held(tier, {"type": "dtmf", "function": {"name": "dial"}}, function("broken", server={"url": server.url}))
    told = [m["content"] for m in model.requests[1].body["messages"] if m["role"] == "tool"]
    assert "There is no tool named 'nothing'." in told[0]
    assert "phone call" in told[1]
    assert server.received == []


@calling(("look_up", '{"day": "Friday"}'))
async def test_a_request_to_any_api_is_made_here(tier: ChatTier, model: OpenAiServer, server: ToolServer) -> None:
    server.answers.append((200, b'{"free":true}'))
    body = {"type": "object", "properties": {"day": {"type": "string"}}}
    await held(tier, {"type": "apiRequest", "name": "look_up", "method": "POST", "url": server.url, "body": body})
    assert json.loads(server.received[0].body) == {"day": "Friday"}
    assert "free" in model.requests[1].body["messages"][-1]["content"]


@calling(("look_up", '{"day": 7}'))
async def test_arguments_are_held_against_their_schema(tier: ChatTier, model: OpenAiServer, server: ToolServer) -> None:
    schema = {"type": "object", "properties": {"day": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "look_up", "parameters": schema}, "server": {"url": server.url}}
    await held(tier, tool)
    assert "The arguments do not fit" in model.requests[1].body["messages"][-1]["content"]
    assert server.received == []


@calling(("book", "{}"))
async def test_a_stored_tool_is_as_good_as_one_that_stands_inside(
    log: EmbeddedLog, tier: ChatTier, server: ToolServer
) -> None:
    server.answer({"toolCallId": "call_0", "result": "Booked."})
    config = function("book", server={"url": server.url})
    tool_id = new_id()
    await log.execute(CONFIGURATIONS["tool"], tool_id, CreateConfiguration(org_id="org", config=config))
    over = await held(tier, toolIds=[tool_id])
    assert "chat.tool_completed" in events(log, over)


@calling(("remember", "{}"))
async def test_a_detached_tool_is_not_waited_for(
    log: EmbeddedLog, tier: ChatTier, model: OpenAiServer, server: ToolServer
) -> None:
    over = await held(tier, function("remember", server={"url": server.url}, **{"async": True}))
    assert len(server.received) == 1
    assert model.requests[1].body["messages"][-1]["content"] == "The request was sent."
    assert "chat.tool_completed" in events(log, over)


@pytest.mark.parametrize("model", [(CallTools((("look", "{}"),)), CallTools((("look", "{}"),)), DONE)], indirect=True)
async def test_calls_that_a_model_numbers_from_0_again_are_told_apart(
    log: EmbeddedLog, tier: ChatTier, model: OpenAiServer, server: ToolServer
) -> None:
    server.answer("first")
    server.answer("second")
    await held(tier, function("look", server={"url": server.url}))
    told = [(m["tool_call_id"], m["content"]) for m in model.requests[2].body["messages"] if m["role"] == "tool"]
    assert told == [("call_0", "first"), ("call_0-2-0", "second")]


@pytest.mark.parametrize("model", [(Say("Hello."),)], indirect=True)
async def test_no_task_is_left_when_it_is_over(tier: ChatTier) -> None:
    before = asyncio.all_tasks()
    await held(tier)
    left = {task for task in asyncio.all_tasks() - before if task.get_name() in ("chat", "model", "tool")}
    assert left == set()

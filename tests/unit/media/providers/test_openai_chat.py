"""The OpenAI provider against a real HTTP server that answers, stalls and breaks as scripted."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from media.providers import chat_stream
from media.providers.errors import Category, ProviderError
from media.providers.language_model import ModelFact, ModelRequest, TextDelta, ToolCallRequest, Usage
from media.providers.openai_chat import OpenAiChat, openai_client
from media.providers.settings import VendorAccess
from tests.patience import PATIENCE_S
from tests.simulators.openai_server import (
    Answer,
    CallTools,
    Drop,
    ErrorEvent,
    Hold,
    OpenAiServer,
    Raw,
    Say,
    Status,
    Whole,
)

REQUEST = ModelRequest(
    messages=({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}),
    tools=({"type": "function", "function": {"name": "book", "parameters": {"type": "object", "properties": {}}}},),
    temperature=0.2,
    max_tokens=99,
)


async def ask(
    server: OpenAiServer, *, model: str = "gpt-4o-mini", first_token_s: float = 5.0, request: ModelRequest = REQUEST
) -> list[ModelFact]:
    client = openai_client(VendorAccess("sk-test", server.base_url))
    try:
        chat = OpenAiChat(client, {"model": model}, first_token_s=first_token_s)
        async with aclosing(chat.stream(request)) as facts:
            return [fact async for fact in facts]
    finally:
        await client.close()


async def failure(answer: Answer, *, first_token_s: float = 5.0) -> ProviderError:
    async with OpenAiServer(answer) as server:
        with pytest.raises(ProviderError) as caught:
            await ask(server, first_token_s=first_token_s)
    return caught.value


async def test_text_arrives_in_pieces_and_usage_comes_last() -> None:
    async with OpenAiServer(Say("Good morning to you.", usage=(120, 5, 64))) as server:
        facts = await ask(server)
    assert facts == [
        TextDelta("Good "),
        TextDelta("morning "),
        TextDelta("to "),
        TextDelta("you. "),
        Usage(120, 5, 64),
    ]


async def test_the_request_carries_the_conversation_and_its_limits() -> None:
    async with OpenAiServer(Say("Yes.")) as server:
        await ask(server)
        received = server.requests[0]
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == "Bearer sk-test"
    assert received.body["messages"] == list(REQUEST.messages)
    assert received.body["tools"] == list(REQUEST.tools)
    assert (received.body["temperature"], received.body["max_tokens"]) == (0.2, 99)
    assert received.body["stream"] is True
    assert received.body["stream_options"] == {"include_usage": True}


async def test_reasoning_models_get_the_limit_they_accept_and_no_temperature() -> None:
    async with OpenAiServer(Say("Yes.")) as server:
        await ask(server, model="gpt-5.4-mini")
        body = server.requests[0].body
    assert body["max_completion_tokens"] == 99
    assert "temperature" not in body
    assert "max_tokens" not in body


async def test_interleaved_tool_calls_are_joined_by_index() -> None:
    calls = (("book", '{"day": "Tuesday", "time": "ten"}'), ("look", '{"where": "the calendar"}'))
    async with OpenAiServer(CallTools(calls)) as server:
        facts = await ask(server)
    assert facts == [
        ToolCallRequest("call_0", "book", {"day": "Tuesday", "time": "ten"}),
        ToolCallRequest("call_1", "look", {"where": "the calendar"}),
        Usage(20, 9),
    ]


async def test_a_server_that_does_not_stream_is_understood() -> None:
    async with OpenAiServer(Whole("All at once.", calls=(("book", "{}"),))) as server:
        facts = await ask(server)
    assert facts == [TextDelta("All at once."), ToolCallRequest("call_0", "book", {}), Usage(3, 4)]


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (400, "bad-request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "bad-request"),
        (429, "quota"),
        (500, "server"),
        (502, "server"),
        (503, "overloaded"),
    ],
)
async def test_statuses_become_categories_and_secrets_stay_out(status: int, category: Category) -> None:
    error = await failure(Status(status, "some_code"))
    assert (error.provider, error.stage, error.category) == ("openai", "model", category)
    assert error.detail == f"HTTP {status}, some_code"
    assert "sk-" not in str(error)


async def test_requests_are_not_retried() -> None:
    async with OpenAiServer(Status(500), Say("Later.")) as server:
        with pytest.raises(ProviderError):
            await ask(server)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Drop("It breaks", abruptly=True),
        Drop("It just ends", abruptly=False),
        Raw(b"data: {not json}\n\ndata: [DONE]\n\n"),
        Raw(b'data: {"choices": "many"}\n\ndata: [DONE]\n\n'),
        Raw(b"<html>proxy</html>", content_type="text/html"),
        Raw(b"not json at all", content_type="application/json"),
        Raw(b'{"object": "something else"}', content_type="application/json"),
        Raw(b""),
    ],
)
async def test_an_answer_that_breaks_or_makes_no_sense_is_a_failure(answer: Answer) -> None:
    error = await failure(answer)
    assert error.category == "failed"
    assert error.detail


async def test_an_error_event_within_the_stream_is_a_server_fault() -> None:
    assert (await failure(ErrorEvent("server_error"))).category == "server"


@pytest.mark.parametrize("answer", [Hold(headers=False), Hold(headers=True)])
async def test_a_first_token_that_does_not_come_is_a_timeout(answer: Hold) -> None:
    error = await failure(answer, first_token_s=0.15)
    assert error.category == "timeout"
    assert "0.15 s" in error.detail


async def test_a_dead_host_is_a_failure() -> None:
    async with OpenAiServer(Say("x")) as server:
        gone = server.base_url
    client = openai_client(VendorAccess("sk-test", gone))
    with pytest.raises(ProviderError) as caught:
        async for _ in OpenAiChat(client, {}).stream(REQUEST):
            pass
    await client.close()
    assert caught.value.category == "failed"


async def test_closing_the_stream_early_closes_the_connection() -> None:
    async with OpenAiServer(Hold(after="One two three")) as server:
        client = openai_client(VendorAccess("sk-test", server.base_url))
        async with aclosing(OpenAiChat(client, {}).stream(REQUEST)) as facts:
            assert await anext(facts) == TextDelta("One ")
        await asyncio.wait_for(server.client_gone.wait(), PATIENCE_S)
        await client.close()
    assert server.client_gone.is_set()


async def test_cancelling_the_reader_closes_the_connection() -> None:
    async with OpenAiServer(Hold(after="One")) as server:
        client = openai_client(VendorAccess("sk-test", server.base_url))
        first = asyncio.Event()

        async def read() -> None:
            async with aclosing(OpenAiChat(client, {}).stream(REQUEST)) as facts:
                async for _ in facts:
                    first.set()

        reader = asyncio.create_task(read())
        await asyncio.wait_for(first.wait(), PATIENCE_S)
        reader.cancel()
        await asyncio.wait_for(server.client_gone.wait(), PATIENCE_S)
        await client.close()
    assert reader.cancelled()


async def test_without_a_key_it_is_not_configured() -> None:
    with pytest.raises(ProviderError) as caught:
        openai_client(VendorAccess())
    assert caught.value.category == "not-configured"
    assert "OPENAI_API_KEY" in caught.value.detail


@pytest.mark.parametrize("shape", [CallTools, Whole])
async def test_a_model_that_asks_for_hundreds_of_tools_is_read_up_to_a_number(
    shape: type[CallTools] | type[Whole],
) -> None:
    async with OpenAiServer(shape(calls=tuple(("book", f'{{"n": {n}}}') for n in range(300)))) as server:
        calls = [fact for fact in await ask(server) if isinstance(fact, ToolCallRequest)]
    assert [call.arguments for call in calls] == [{"n": n} for n in range(256)]


async def test_endless_arguments_are_cut_and_their_call_says_that_it_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat_stream, "_LONGEST_ARGUMENTS", 500)
    endless = '{"text": "' + "na " * 500 + '"}'
    async with OpenAiServer(CallTools(calls=(("book", endless), ("book", endless)))) as server:
        calls = [fact for fact in await ask(server) if isinstance(fact, ToolCallRequest)]
    assert calls
    assert all(not call.arguments and "cannot be read" in call.problem for call in calls)

"""The tenant's own model: URL, headers, what is sent along, and its ways to fail."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx2
import pytest

from domain.egress import EgressBlocked, EgressPolicy
from media.egress.client import ANSWER_CAP, guarded_client
from media.providers.custom_llm import CustomLlm, base_url, besides
from media.providers.errors import ProviderError
from media.providers.language_model import ModelFact, ModelRequest, TextDelta, ToolCallRequest, Usage
from tests.patience import PATIENCE_S
from tests.simulators.openai_server import Drop, Hold, OpenAiServer, Raw, Say, Status, Whole
from tests.unit.media.tools.calling import tenant_servers

CONTEXT: dict[str, Any] = {
    "call": {"id": "8f4a"},
    "customer": {"number": "+15550100"},
    "metadata": {"tier": "gold", "messages": "must not replace the conversation"},
}
REQUEST = ModelRequest(messages=({"role": "user", "content": "Hello"},), context=CONTEXT)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client:
        yield client


async def ask(client: httpx2.AsyncClient, configuration: dict[str, Any]) -> list[ModelFact]:
    model = CustomLlm(client, {"model": "mine", **configuration}, tenant_servers(client))
    async with aclosing(model.stream(REQUEST)) as facts:
        return [fact async for fact in facts]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://llm.example/v1", "https://llm.example/v1"),
        ("https://llm.example/v1/", "https://llm.example/v1"),
        ("https://llm.example/v1/chat/completions", "https://llm.example/v1"),
        ("https://llm.example/chat/completions/", "https://llm.example"),
    ],
)
def test_the_url_may_be_the_base_or_the_whole_path(url: str, expected: str) -> None:
    assert base_url(url) == expected


async def test_either_form_reaches_the_same_path(client: httpx2.AsyncClient) -> None:
    async with OpenAiServer(Say("Yes.")) as server:
        await ask(client, {"url": server.base_url})
        await ask(client, {"url": f"{server.base_url}/chat/completions"})
        assert [request.path for request in server.requests] == ["/v1/chat/completions"] * 2


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("off", {}),
        ("variable", CONTEXT),
        ("destructured", {"tier": "gold", "call": CONTEXT["call"], "customer": CONTEXT["customer"]}),
    ],
)
def test_what_is_sent_along(mode: str, expected: dict[str, Any]) -> None:
    assert besides(mode, CONTEXT) == expected


async def test_the_body_carries_metadata_by_default(client: httpx2.AsyncClient) -> None:
    async with OpenAiServer(Say("Yes.")) as server:
        facts = await ask(client, {"url": server.base_url})
        body = server.requests[0].body
    assert facts[0] == TextDelta("Yes. ")
    assert body["metadata"] == CONTEXT["metadata"]
    assert body["call"] == {"id": "8f4a"}
    assert body["model"] == "mine"
    assert body["messages"] == list(REQUEST.messages)


async def test_headers_are_added_but_never_the_authorization(client: httpx2.AsyncClient) -> None:
    headers = {"X-Tenant": "seven", "X-Shop": "Zürich", "Authorization": "Bearer smuggled"}
    async with OpenAiServer(Say("Yes.")) as server:
        await ask(client, {"url": server.base_url, "headers": headers})
        sent = server.requests[0].headers
    assert sent["x-tenant"] == "seven"
    assert sent["x-shop"] == "Zürich"
    assert "authorization" not in sent


async def test_an_answer_in_one_piece_is_accepted(client: httpx2.AsyncClient) -> None:
    async with OpenAiServer(Whole("Formatted.")) as server:
        assert await ask(client, {"url": server.base_url}) == [TextDelta("Formatted."), Usage(3, 4)]


async def test_the_old_function_call_form_is_a_tool_call(client: httpx2.AsyncClient) -> None:
    answer = Say("", legacy_function_call=("transferCall", '{"destination": "+15550100"}'))
    async with OpenAiServer(answer) as server:
        facts = await ask(client, {"url": server.base_url})
    assert facts[0] == ToolCallRequest("call_0", "transferCall", {"destination": "+15550100"})


async def test_usage_is_estimated_when_the_server_counts_nothing(client: httpx2.AsyncClient) -> None:
    async with OpenAiServer(Say("Twelve chars")) as server:
        facts = await ask(client, {"url": server.base_url})
    assert facts[-1] == Usage(0, 4, estimated=True)


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        (Status(401), "unauthorized"),
        (Status(429), "quota"),
        (Status(500), "server"),
        (Raw(b"<h1>It works</h1>", content_type="text/html"), "failed"),
        (Drop("Half a"), "failed"),
    ],
)
async def test_failures_carry_the_providers_name(client: httpx2.AsyncClient, answer: Any, category: str) -> None:
    async with OpenAiServer(answer) as server:
        with pytest.raises(ProviderError) as caught:
            await ask(client, {"url": server.base_url})
    assert (caught.value.provider, caught.value.category) == ("custom-llm", category)


async def test_the_time_to_the_first_token_is_the_configured_one(client: httpx2.AsyncClient) -> None:
    async with OpenAiServer(Hold()) as server:
        with pytest.raises(ProviderError) as caught:
            await ask(client, {"url": server.base_url, "timeoutSeconds": 0.1})
    assert caught.value.category == "timeout"


async def test_a_blocked_address_is_a_refused_request() -> None:
    class Blocked(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            raise EgressBlocked("llm.internal", "not a public address")

    async with httpx2.AsyncClient(transport=Blocked()) as client:
        with pytest.raises(ProviderError) as caught:
            await ask(client, {"url": "http://llm.internal/v1"})
    assert caught.value.category == "bad-request"
    assert "llm.internal" in caught.value.detail


async def test_a_configuration_without_a_url_is_refused(client: httpx2.AsyncClient) -> None:
    with pytest.raises(ProviderError) as caught:
        CustomLlm(client, {"model": "mine"}, tenant_servers(client))
    assert caught.value.category == "not-configured"
    assert "model.url" in caught.value.detail


def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


def tool_event(arguments: str, name: str = "book", index: int = 0) -> bytes:
    function = {"name": name, "arguments": arguments}
    return event({"tool_calls": [{"index": index, "id": f"c{index}", "type": "function", "function": function}]})


END = event({}, "stop") + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "arguments",
    [
        '{"day": ',
        "[1]",
        '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
        r'{"name": "\ud800"}',
        '{"n": NaN}',
        '{"n": 123456789012345678901234567890}',
    ],
    ids=["broken", "no object", "deep", "half a character", "no number", "huge integer"],
)
async def test_arguments_that_cannot_be_read_are_the_models_to_correct(
    client: httpx2.AsyncClient, arguments: str
) -> None:
    async with OpenAiServer(Raw(tool_event(arguments) + END)) as server:
        call, usage = await ask(client, {"url": server.base_url})
    assert isinstance(call, ToolCallRequest)
    assert (call.id, call.name, call.arguments) == ("c0", "book", {})
    assert "arguments" in call.problem
    assert isinstance(usage, Usage)


async def test_a_character_that_comes_in_two_halves_is_one_and_a_lonely_half_can_be_kept(
    client: httpx2.AsyncClient,
) -> None:
    pieces = event({"content": "Hi \ud83d"}) + event({"content": "\ude00 you \ud83d."})
    async with OpenAiServer(Raw(pieces + END)) as server:
        facts = await ask(client, {"url": server.base_url})
    text = "".join(fact.text for fact in facts if isinstance(fact, TextDelta))
    assert text == "Hi 😀 you �."


@pytest.mark.parametrize(
    "body",
    [
        b"data: " + b"[" * 100_000 + b"]" * 100_000 + b"\n\n" + END,
        event({"content": ["no", "text"]}) + END,
        event({"tool_calls": [{"index": 0, "id": 7, "function": {"name": "book", "arguments": "{}"}}]}) + END,
    ],
    ids=["deep", "list for text", "number for id"],
)
async def test_answers_of_impossible_shape_fail_as_the_models_fault(client: httpx2.AsyncClient, body: bytes) -> None:
    async with OpenAiServer(Raw(body)) as server:
        with pytest.raises(ProviderError) as raised:
            await ask(client, {"url": server.base_url})
    assert raised.value.category == "failed"


async def test_of_too_many_tool_calls_as_many_are_read_as_it_takes_to_be_told_so(client: httpx2.AsyncClient) -> None:
    calls = b"".join(tool_event("{}", index=index) for index in range(1_000))
    async with OpenAiServer(Raw(calls + END)) as server:
        facts = await ask(client, {"url": server.base_url})
    assert sum(isinstance(fact, ToolCallRequest) for fact in facts) == 256


async def test_endless_arguments_are_cut_and_the_models_to_correct(client: httpx2.AsyncClient) -> None:
    endless = tool_event('{"a": "') + tool_event("x" * 1_000) * 100_000
    async with OpenAiServer(Raw(endless)) as server:
        call, _ = await ask(client, {"url": server.base_url})
    assert isinstance(call, ToolCallRequest)
    assert (call.arguments, "arguments" in call.problem) == ({}, True)


async def test_a_model_that_ignores_its_limit_is_cut_off(client: httpx2.AsyncClient) -> None:
    words = event({"content": "word " * 100}) * 1_000
    async with OpenAiServer(Raw(words)) as server:
        facts = await ask(client, {"url": server.base_url})
    written = sum(len(fact.text) for fact in facts if isinstance(fact, TextDelta))
    assert REQUEST.max_tokens * 4 < written < REQUEST.max_tokens * 20
    assert isinstance(facts[-1], Usage)


async def test_impossible_token_counts_become_plausible(client: httpx2.AsyncClient) -> None:
    counted = {"prompt_tokens": -5, "completion_tokens": "many", "prompt_tokens_details": {"cached_tokens": 10**30}}
    usage = b"data: " + json.dumps({"choices": [], "usage": counted}).encode() + b"\n\n"
    async with OpenAiServer(Raw(event({"content": "Hi."}) + event({}, "stop") + usage)) as server:
        facts = await ask(client, {"url": server.base_url})
    assert facts[-1] == Usage(0, 0, 10**9)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"data: " + b"x" * ANSWER_CAP, "text/event-stream"), (b" " * (ANSWER_CAP + 1), "application/json")],
)
async def test_an_answer_that_would_fill_the_memory_is_the_models_failure(body: bytes, content_type: str) -> None:
    async with (
        OpenAiServer(Raw(body, content_type=content_type)) as server,
        guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as guarded,
    ):
        with pytest.raises(ProviderError) as raised:
            await ask(guarded, {"url": server.base_url})
    assert raised.value.category == "failed"

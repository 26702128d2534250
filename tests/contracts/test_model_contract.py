"""What every language model keeps, over the simulated vendors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from media.providers.ended_reason import ended_reason
from media.providers.errors import ProviderError
from media.providers.language_model import LanguageModel, ModelFact, ModelRequest, TextDelta, ToolCallRequest, Usage
from tests.contracts.provider_cases import MODELS, SECONDS, Case, registry_of
from tests.simulators.vendor_server import KEY, Fault, Garbage, HalfOpen, HangUp, Hold, Refuse, Reset, VendorServer

SAYS = "We have a table for seven, at eight."
BOOK = {
    "type": "function",
    "function": {
        "name": "book",
        "description": "Book a table.",
        "parameters": {"type": "object", "properties": {"guests": {"type": "integer"}}},
    },
}
ASKED = ModelRequest(
    messages=({"role": "system", "content": "Be brief."}, {"role": "user", "content": "A table for seven?"})
)
AFTER_A_TOOL = ModelRequest(
    messages=(
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Good evening."},
        {"role": "user", "content": "A table for seven?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c9", "type": "function", "function": {"name": "book", "arguments": '{"guests": 7}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c9", "content": "booked"},
    )
)

every_case = pytest.mark.parametrize("case", MODELS, ids=str)
each_protocol = pytest.mark.parametrize("case", MODELS[:4], ids=str)
"""Vendors that speak the same protocol through the same code are asked whether they answer, not how they break."""


@asynccontextmanager
async def model(case: Case, *faults: Fault, **script: Any) -> AsyncIterator[tuple[LanguageModel, VendorServer]]:
    async with (
        case.server(says=SAYS, faults=faults, **script) as server,
        registry_of({case.provider: server.base_url}) as registry,
    ):
        yield registry.model({"model": case.section(server.base_url)}), server


async def answer(thinking: LanguageModel, request: ModelRequest = ASKED) -> list[ModelFact]:
    async with asyncio.timeout(SECONDS), aclosing(thinking.stream(request)) as facts:
        return [fact async for fact in facts]


@every_case
async def test_an_answer_comes_in_pieces_and_its_tokens_last_over_one_connection(case: Case) -> None:
    async with model(case) as (thinking, server):
        for request in (ASKED, AFTER_A_TOOL):
            facts = await answer(thinking, request)
            assert "".join(fact.text for fact in facts if isinstance(fact, TextDelta)) == SAYS
            assert len([fact for fact in facts if isinstance(fact, TextDelta)]) > 1
            assert facts[-1] == Usage(11, 5)
        assert server.connections == 1


@each_protocol
async def test_a_tool_is_asked_for_with_its_arguments_decoded(case: Case) -> None:
    request = ModelRequest(messages=ASKED.messages, tools=(BOOK,))
    async with model(case, tool=("book", '{"guests": 7}')) as (thinking, server):
        called = [fact for fact in await answer(thinking, request) if isinstance(fact, ToolCallRequest)]
        assert [(call.name, call.arguments) for call in called] == [("book", {"guests": 7})]
        assert called[0].id
        assert "guests" in str(server.received[0]["tools"])


@each_protocol
async def test_an_answer_given_up_is_stopped_at_the_vendor(case: Case) -> None:
    async with model(case, Hold(after=4)) as (thinking, server):
        async with asyncio.timeout(SECONDS), aclosing(thinking.stream(ASKED)) as facts:
            async for fact in facts:
                if isinstance(fact, TextDelta):
                    break
        await server.until(lambda: server.open == 0)
        assert [type(fact) for fact in await answer(thinking)][-1] is Usage


@each_protocol
@pytest.mark.parametrize(
    ("fault", "category", "prefix", "suffix"),
    [
        (Refuse(400), "bad-request", "pipeline-error", "400-bad-request-validation-failed"),
        (Refuse(401), "unauthorized", "pipeline-error", "401-unauthorized"),
        (Refuse(403), "forbidden", "pipeline-error", "403-model-access-denied"),
        (Refuse(429, retry_after=7), "quota", "pipeline-error", "429-exceeded-quota"),
        (Refuse(500), "server", "call.in-progress.error-providerfault", "500-server-error"),
        (Refuse(503), "overloaded", "call.in-progress.error-providerfault", "503-server-overloaded-error"),
        (Reset(after=4), "failed", "call.in-progress.error-providerfault", "llm-failed"),
        (HangUp(after=4), "failed", "call.in-progress.error-providerfault", "llm-failed"),
    ],
    ids=str,
)
async def test_what_breaks_is_told_by_its_category_and_ends_the_call_by_the_published_reason(
    case: Case, fault: Fault, category: str, prefix: str, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with model(case, fault) as (thinking, _):
        with pytest.raises(ProviderError) as caught:
            await answer(thinking)
    error = caught.value
    assert (error.provider, error.stage, error.category) == (case.provider, "model", category)
    assert error.retry_after_s == (fault.retry_after if isinstance(fault, Refuse) else None)
    if (case.provider, category) != ("openai", "unauthorized"):
        assert ended_reason(error) == f"{prefix}-{case.provider}-{suffix}"
    assert KEY not in str(error) + caplog.text
    assert "seven" not in str(error) + caplog.text


@each_protocol
async def test_garbage_is_passed_over_or_a_failure_that_says_so(case: Case) -> None:
    async with model(case, Garbage()) as (thinking, _):
        outcome = (await asyncio.gather(answer(thinking), return_exceptions=True))[0]
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, ProviderError)
        assert outcome.category in ("failed", "server")
    else:
        assert "".join(fact.text for fact in outcome if isinstance(fact, TextDelta)) == SAYS


@each_protocol
async def test_a_vendor_that_says_nothing_can_be_given_up_at_any_moment(case: Case) -> None:
    async with model(case, HalfOpen()) as (thinking, server):
        waiting = asyncio.ensure_future(answer(thinking))
        await server.until(lambda: server.open == 1)
        waiting.cancel()
        async with asyncio.timeout(SECONDS):
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await server.until(lambda: server.open == 0)

"""Asking the tenant's server whether the caller has finished."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.egress import EgressPolicy
from media.egress.client import guarded_client
from media.machine.inputs import EndpointingAnswered, Input
from media.machine.outputs import AskEndpointing
from media.tools.endpointing_question import EndpointingQuestions
from tests.patience import PATIENCE_S
from tests.unit.media.tools.calling import tenant_servers
from tests.unit.media.tools.tool_server import tool_server

QUESTION = AskEndpointing(ask_id=3, messages=({"role": "user", "content": "I would like"},))


async def ask(assistant: dict[str, Any]) -> tuple[list[Input], list[str]]:
    inputs: list[Input] = []
    warnings: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    def spawn(coroutine: Any, name: str) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(coroutine))
        return tasks[-1]

    async with guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client:
        questions = EndpointingQuestions(
            tenant_servers(client),
            assistant,
            spawn=spawn,
            feed=inputs.append,
            warn=lambda code, detail: warnings.append(code),
            snapshot=lambda: {"call": {"id": "call-1"}},
        )
        questions.ask(QUESTION)
        await asyncio.gather(*tasks)
    return inputs, warnings


def plan(url: str) -> dict[str, Any]:
    smart = {"provider": "custom-endpointing-model", "server": {"url": url}}
    return {"startSpeakingPlan": {"smartEndpointingPlan": smart}}


@pytest.mark.parametrize(
    ("body", "timeout_ms"),
    [
        (b'{"timeoutSeconds": 0.7}', 700.0),
        (b'{"timeoutSeconds": 99}', 15_000.0),
        (b'{"timeoutSeconds": "soon"}', -1.0),
        (b"[]", -1.0),
        (b"garbage", -1.0),
        (b"[" * 100_000 + b"]" * 100_000, -1.0),
    ],
)
async def test_the_answer_is_the_wait(body: bytes, timeout_ms: float) -> None:
    with tool_server() as server:
        server.answers.append((200, body))
        inputs, _ = await ask(plan(server.url))
        assert server.received[0].message["messagesOpenAIFormatted"] == [{"role": "user", "content": "I would like"}]
    assert inputs == [EndpointingAnswered(ask_id=3, timeout_ms=timeout_ms)]


async def test_a_server_that_fails_leaves_it_to_the_heuristic_with_a_warning() -> None:
    with tool_server() as server:
        server.answers.append((500, b""))
        inputs, warnings = await ask(plan(server.url))
    assert inputs == [EndpointingAnswered(ask_id=3, timeout_ms=-1.0)]
    assert warnings == ["endpointing-server-failed"]


async def test_without_a_server_there_is_no_answer() -> None:
    inputs, warnings = await ask({})
    assert inputs == [EndpointingAnswered(ask_id=3, timeout_ms=-1.0)]
    assert warnings == []

"""Asking a real server where a call should go: which of its answers are followed, and why the others are not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from media.egress.client import guarded_client
from media.machine.inputs import DestinationAnswered, ToolErred
from media.machine.outputs import AskDestination
from media.tools.destination_question import DestinationQuestions
from tests.patience import PATIENCE_S
from tests.unit.media.tools.calling import LOOPBACK, NOW, tenant_servers
from tests.unit.media.tools.tool_server import ToolServer, tool_server

NUMBER = {"type": "number", "number": "+14155552671"}
NAMED = {"type": "assistant", "assistantName": "Billing"}
Asked = tuple[DestinationQuestions, list[tuple[str, str]]]


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


@pytest.fixture
async def asked(server: ToolServer) -> AsyncIterator[Asked]:
    warnings: list[tuple[str, str]] = []
    async with guarded_client(LOOPBACK, timeout_s=PATIENCE_S) as client:
        questions = DestinationQuestions(
            tenant_servers(client),
            lambda: {"server": {"url": server.url + "/assistant"}},
            snapshot=lambda: {"call": {"id": "call-1"}},
            timeout_s=PATIENCE_S,
            warn=lambda code, detail: warnings.append((code, detail)),
        )
        yield questions, warnings


def order(handoff: bool, **more: Any) -> AskDestination:
    return AskDestination(tool_call_id="c1", handoff=handoff, arguments={"intent": "new"}, tool={}, **more)


async def test_the_request_says_what_is_asked_and_of_which_call(asked: Asked, server: ToolServer) -> None:
    server.answers.append((200, json.dumps({"destination": NAMED, "result": "Off to billing."}).encode()))
    answer = await asked[0].ask(order(True))
    assert answer == DestinationAnswered(tool_call_id="c1", destination=NAMED, result="Off to billing.")
    message = server.received[0].message
    assert message == {
        "type": "handoff-destination-request",
        "timestamp": NOW.timestamp() * 1000,
        "parameters": {"intent": "new"},
        "call": {"id": "call-1"},
    }
    assert server.received[0].path == "/tools/assistant"
    assert asked[1] == []


async def test_the_destinations_own_server_is_asked_first(asked: Asked, server: ToolServer) -> None:
    server.answers.append((200, json.dumps({"destination": NAMED}).encode()))
    await asked[0].ask(order(True, destination={"type": "dynamic", "server": {"url": server.url + "/own"}}))
    assert server.received[0].path == "/tools/own"


@pytest.mark.parametrize("text", [{"content": "Off you go."}, {"message": "Off you go."}, "Off you go."])
async def test_a_transfer_may_be_answered_with_a_message(asked: Asked, server: ToolServer, text: Any) -> None:
    server.answers.append((200, json.dumps({"destination": NUMBER, "message": text}).encode()))
    answer = await asked[0].ask(order(False))
    assert isinstance(answer, DestinationAnswered)
    assert "Off you go." in (answer.message or {}).values()


@pytest.mark.parametrize(
    ("handoff", "body", "reason"),
    [
        (True, {}, "names no destination"),
        (True, [], "not a JSON object"),
        (True, {"destination": NUMBER}, "is not one of assistant, squad, dynamic"),
        (True, {"destination": {"type": "dynamic"}}, "names nobody"),
        (True, {"destination": {"type": "assistant"}}, "none of assistantName"),
        (True, {"destination": "Billing"}, "not an object"),
        (False, {"destination": {"type": "squad", "squadId": "x"}}, "is not one of assistant, number, sip"),
        (False, {"destination": {"type": "number", "number": "911"}}, "E.164"),
        (False, {"destination": {"type": "number", "number": "+1;rm", "numberE164CheckEnabled": False}}, "digits"),
        (False, {"destination": {"type": "sip", "sipUri": "http://x"}}, "sip:user@host"),
    ],
)
async def test_answers_that_may_not_be_followed_are_warned_of_with_a_reason(
    asked: Asked, server: ToolServer, handoff: bool, body: Any, reason: str
) -> None:
    server.answers.append((200, json.dumps(body).encode()))
    answer = await asked[0].ask(order(handoff))
    assert isinstance(answer, ToolErred)
    assert answer.failure == "bad-body"
    ((code, detail),) = asked[1]
    assert code == "destination-answer-illegal"
    assert reason in detail


async def test_an_error_is_told_to_the_model_as_it_is(asked: Asked, server: ToolServer) -> None:
    server.answers.append((200, b'{"error": "Nobody works today."}'))
    assert await asked[0].ask(order(True)) == ToolErred(tool_call_id="c1", failure="error", error="Nobody works today.")
    assert asked[1] == []


@pytest.mark.parametrize(("status", "body"), [(500, b""), (200, b"<html>")])
async def test_a_server_that_does_not_answer_as_it_should(
    asked: Asked, server: ToolServer, status: int, body: bytes
) -> None:
    server.answers.append((status, body))
    assert isinstance(await asked[0].ask(order(False)), ToolErred)
    assert len(asked[1]) == 1

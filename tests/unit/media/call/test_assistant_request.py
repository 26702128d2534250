"""Calls that name nobody: the organisation's server is asked, and each of its answers has its consequence."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.call.events import CallEnded, CallStarted
from domain.live_calls import CallRejected
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import Configure, CreateOrganization
from domain.server_messages.assistant_request import Unusable, read_assistant_answer
from media.call import assistant_question
from media.providers.errors import ProviderError
from tests.unit.media.call.rig import ORG, Rig, ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import Caller, assistant, of, texts
from tests.unit.media.tools.tool_server import ToolServer, tool_server

NUMBER = {"type": "number", "number": "+49301234567"}
UNKNOWN = "0d2f2d1e-7a5b-4c55-8d53-6a8a53b0b8a1"


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


@asynccontextmanager
async def asked(root: Path, server: ToolServer | None, **more: Any) -> AsyncIterator[Rig]:
    async with media_rig(root, **more) as rig:
        await rig.log.execute(ORGANIZATION, ORG, CreateOrganization(name="Acme"))
        if server is not None:
            plan = {"maxRetries": 3, "baseDelaySeconds": 0}
            changes = {"server": {"url": server.url, "secret": "s3cret", "backoffPlan": plan}}
            await rig.log.execute(ORGANIZATION, ORG, Configure(changes=changes))
        yield rig


async def refused(rig: Rig) -> CallEnded:
    caller = Caller(rig, await rig.create(customer={"number": "+4915112345678"}))
    with pytest.raises(CallRejected):
        await caller.serving
    (ended,) = of(rig.events(caller.call_id), CallEnded)
    assert isinstance(ended, CallEnded)
    return ended


async def test_the_question_says_which_call_it_is_about(tmp_path: Path, server: ToolServer) -> None:
    server.answers.append((200, json.dumps({"assistant": assistant(firstMessage="Good day.")}).encode()))
    async with asked(tmp_path, server) as rig:
        caller = Caller(rig, await rig.create(customer={"number": "+4915112345678"}))
        await caller.until_said(1)
        events = await caller.hang_up()
    assert texts(events, "assistant") == ["Good day."]
    (request,) = server.received
    message = request.message
    assert set(message) == {"type", "timestamp", "call", "customer"}
    assert (message["type"], message["customer"]) == ("assistant-request", {"number": "+4915112345678"})
    assert (message["call"]["id"], message["call"]["status"]) == (caller.call_id, "ringing")
    assert request.headers["x-vapi-secret"] == "s3cret"


@pytest.mark.parametrize("kind", ["assistantId", "squadId", "squad", "wrapped"])
async def test_whoever_is_named_answers(tmp_path: Path, server: ToolServer, kind: str) -> None:
    async with asked(tmp_path, server) as rig:
        config = assistant(name="Mary", firstMessage="Hello {{ firstName }}.")
        mary = await rig.store("assistant", config)
        overrides = {"assistantOverrides": {"variableValues": {"firstName": "Mina"}}}
        bodies: dict[str, dict[str, Any]] = {
            "assistantId": {"assistantId": mary, **overrides},
            "squadId": {"squadId": await rig.store("squad", {"members": [{"assistantId": mary}]}), **overrides},
            "squad": {"squad": {"members": [{"assistant": config}]}, **overrides},
            "wrapped": {"messageResponse": {"assistantId": mary, **overrides}},
        }
        server.answers.append((201, json.dumps(bodies[kind]).encode()))
        caller = Caller(rig, await rig.create())
        await caller.until_said(1)
        events = await caller.hang_up()
    assert texts(events, "assistant") == ["Hello Mina."]
    (started,) = of(events, CallStarted)
    assert started.assistant["name"] == "Mary"


async def test_an_error_is_said_and_the_call_ends(tmp_path: Path, server: ToolServer) -> None:
    server.answers.append((200, b'{"error": "We are closed today."}'))
    async with asked(tmp_path, server) as rig:
        caller = Caller(rig, await rig.create())
        events = await caller.ended()
    assert texts(events, "assistant") == ["We are closed today."]
    assert of(events, CallEnded)[0].reason == "assistant-request-returned-error"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, {"destination": NUMBER, "assistantId": UNKNOWN}, "returned-forwarding-phone-number"),
        (200, {"assistantId": UNKNOWN}, "returned-invalid-assistant"),
        (200, {"assistant": {"maxDurationSeconds": "long"}}, "returned-invalid-assistant"),
        (200, {"squad": {"members": []}}, "returned-invalid-assistant"),
        (200, b'{"assistant": "' + b"x" * (2 << 20) + b'"}', "failed"),
        (500, {"assistantId": UNKNOWN}, "failed"),
        (302, b"", "failed"),
    ],
)
async def test_what_cannot_be_followed_ends_the_call_with_its_reason(
    tmp_path: Path, server: ToolServer, status: int, body: Any, reason: str
) -> None:
    server.answers.append((status, body if isinstance(body, bytes) else json.dumps(body).encode()))
    async with asked(tmp_path, server) as rig:
        ended = await refused(rig)
    assert ended.reason == f"assistant-request-{reason}"
    assert len(server.received) == 1, "asked once, whatever the back-off plan says"
    assert ended.message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"assistantId": 7}, "returned-invalid-assistant"),
        ({"assistantId": ""}, "returned-invalid-assistant"),
        ({"assistant": "Mary"}, "returned-invalid-assistant"),
        ({"assistantId": UNKNOWN, "assistantOverrides": []}, "returned-invalid-assistant"),
        ({"workflowId": UNKNOWN}, "returned-invalid-assistant"),
        ({}, "returned-no-assistant"),
        ({"results": []}, "returned-no-assistant"),
        ({"error": ""}, "returned-unspeakable-error"),
        ({"error": {"code": 1}}, "returned-unspeakable-error"),
        ({"destination": {"type": "assistant"}}, "failed"),
        ([], "failed"),
        (b"", "failed"),
        (b"<html>", "failed"),
        (b"[" * 100_000, "failed"),
    ],
)
def test_each_illegal_answer_has_its_reason(body: Any, reason: str) -> None:
    answer = read_assistant_answer(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert isinstance(answer, Unusable)
    assert answer.reason == f"assistant-request-{reason}"
    assert answer.why


async def test_an_error_that_nobody_can_say_is_told_apart(tmp_path: Path, server: ToolServer) -> None:
    server.answers.append((200, b'{"error": "We are closed."}'))
    silent = ScriptedProviders(refusal=ProviderError("vapi", "voice", "not-configured", "no voice here"))
    async with asked(tmp_path, server, providers=silent) as rig:
        ended = await refused(rig)
    assert ended.reason == "assistant-request-returned-unspeakable-error"


async def test_a_server_has_its_deadline(tmp_path: Path, server: ToolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant_question, "DEADLINE_SECONDS", 0.2)
    server.hold.clear()
    async with asked(tmp_path, server) as rig:
        ended = await refused(rig)
    assert ended.reason == "assistant-request-failed"


async def test_without_a_server_nobody_can_answer(tmp_path: Path) -> None:
    async with asked(tmp_path, None) as rig:
        ended = await refused(rig)
    assert ended.reason == "call-start-error-neither-assistant-nor-server-set"

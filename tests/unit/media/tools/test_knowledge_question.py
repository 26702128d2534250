"""Asking a tenant's own knowledge base: what the model sees of each answer, and what is said in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.call.events import Warned
from media.egress.client import guarded_client
from media.providers.scripted import ScriptedLanguageModel, ScriptedSpeechToText
from media.tools import knowledge_question
from media.tools.knowledge_question import KnowledgeQuestions, Spoken, knowledge_server
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, texts
from tests.unit.media.tools.calling import LOOPBACK, tenant_servers
from tests.unit.media.tools.tool_server import ToolServer, tool_server

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "When do you open?"}]
DOCUMENTS = {"documents": [{"content": "We open at nine.", "similarity": 0.92, "uuid": "d1"}, {"content": "Closed."}]}


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


def configured(server: ToolServer) -> dict[str, Any]:
    return {"model": {"knowledgeBase": {"provider": "custom-knowledge-base", "server": {"url": server.url}}}}


async def asked(server: ToolServer, messages: Any = ASKED) -> tuple[Any, list[tuple[str, str]]]:
    warnings: list[tuple[str, str]] = []
    async with guarded_client(LOOPBACK, timeout_s=PATIENCE_S) as client:
        questions = KnowledgeQuestions(
            tenant_servers(client),
            snapshot=lambda: {"call": {"id": "call-1"}},
            warn=lambda code, detail: warnings.append((code, detail)),
        )
        return await questions.informed(configured(server), messages), warnings


async def test_documents_stand_before_what_was_asked(server: ToolServer) -> None:
    server.answers.append((200, json.dumps(DOCUMENTS).encode()))
    informed, warnings = await asked(server)
    assert [message["role"] for message in informed] == ["system", "system", "user"]
    assert "We open at nine." in informed[1]["content"]
    assert "Closed." in informed[1]["content"]
    assert (informed[0], informed[2]) == tuple(ASKED)
    assert warnings == []
    message = server.received[0].message
    assert {name: message[name] for name in ("type", "call", "messages", "messagesOpenAIFormatted")} == {
        "type": "knowledge-base-request",
        "call": {"id": "call-1"},
        "messages": ASKED,
        "messagesOpenAIFormatted": ASKED,
    }


@pytest.mark.parametrize(
    "message",
    [
        {"content": "At nine."},
        {"type": "custom-message", "contents": [{"type": "text", "text": "At nine."}]},
        "At nine.",
    ],
)
async def test_a_message_is_said_in_the_models_place(server: ToolServer, message: Any) -> None:
    server.answers.append((201, json.dumps({"message": message}).encode()))
    assert await asked(server) == (Spoken("At nine."), [])


async def test_nothing_found_changes_nothing(server: ToolServer) -> None:
    server.answers.append((200, b'{"documents": []}'))
    assert await asked(server) == (ASKED, [])


@pytest.mark.parametrize("last", [{"role": "tool", "content": "{}"}, {"role": "assistant", "content": "Hm."}])
async def test_only_what_a_caller_said_is_asked_about(server: ToolServer, last: dict[str, Any]) -> None:
    assert await asked(server, [*ASKED, last]) == ([*ASKED, last], [])
    assert server.received == []


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, b"", "HTTP status 500"),
        (200, b"", "its answer is"),
        (200, b"[]", "not a JSON object"),
        (200, b"{}", "neither a list of documents nor a message"),
        (200, b'{"documents": "none"}', "neither a list of documents nor a message"),
        (200, b'{"documents": ["text"]}', "a document in its answer has no content"),
        (200, b'{"documents": [{"content": 7}]}', "a document in its answer has no content"),
        (200, b'{"message": {"type": "custom-message"}}', "no content to be said"),
        (200, b"[" * 100_000, "its answer is"),
        (200, b'{"documents": [{"content": "' + b"x" * (2 << 20), "its answer is"),
    ],
)
async def test_what_cannot_be_used_is_warned_of_and_the_model_answers_alone(
    server: ToolServer, status: int, body: bytes, why: str
) -> None:
    server.answers.append((status, body))
    informed, warnings = await asked(server)
    assert informed == ASKED
    assert [code for code, _ in warnings] == ["knowledge-base-not-answered"]
    assert why in warnings[0][1]


async def test_a_server_that_is_slow_is_not_waited_for_longer(
    server: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowledge_question, "SECONDS", 0.1)
    server.hold.clear()
    informed, warnings = await asked(server)
    assert (informed, warnings[0][0]) == (ASKED, "knowledge-base-not-answered")


async def test_long_documents_are_cut(server: ToolServer) -> None:
    server.answers.append((200, json.dumps({"documents": [{"content": "x" * 30_000}] * 5}).encode()))
    informed, _ = await asked(server)
    assert 30_000 < len(informed[1]["content"]) < 33_000


def test_other_knowledge_bases_are_not_asked() -> None:
    assert (
        knowledge_server({"model": {"knowledgeBase": {"provider": "google", "server": {"url": "https://a"}}}}) is None
    )
    assert knowledge_server({"model": {"knowledgeBaseId": "kb-1"}}) is None


async def test_in_a_call_the_model_knows_what_was_found(tmp_path: Path, server: ToolServer) -> None:
    server.answers.append((200, json.dumps(DOCUMENTS).encode()))
    server.answers.append((200, b'{"message": {"content": "At nine, as I said."}}'))
    model = ScriptedLanguageModel(answers=("At nine.",))
    scripted = ScriptedProviders(hearing=[ScriptedSpeechToText(["when do you open", "say it again"])], thinking=[model])
    async with media_rig(tmp_path, scripted) as rig:
        caller = await dial(rig, assistant(**configured(server)))
        await caller.until_said(1)
        await caller.speak(400)
        await caller.until_said(2)
        await caller.speak(400)
        await caller.until_said(3)
        events = await caller.hang_up()
    assert texts(events, "assistant")[1:] == ["At nine.", "At nine, as I said."]
    assert of(events, Warned) == []
    assert {request.message["call"]["id"] for request in server.received} == {caller.call_id}
    assert any("We open at nine." in str(message) for request in model.requests for message in request.messages)

"""What a chat has of its organisation: its server for tools, its knowledge base, its own keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.chat.state import Completed
from domain.chats import ChatOrder, ChatOver
from domain.configuration.commands import CreateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from domain.credentials.own_keys import OwnKeys
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import Configure, CreateOrganization
from domain.sealing import NoSeal, opening
from media.chat.tier import ChatTier
from streams.log.embedded import EmbeddedLog
from tests.simulators.openai_server import CallTools, OpenAiServer, Say
from tests.unit.api.chatting import chatting
from tests.unit.api.installation import SettableClock, new_id
from tests.unit.media.tools.tool_server import ToolServer, tool_server

ORG = "org"
TOOL = {"type": "function", "function": {"name": "book", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    built = EmbeddedLog.open(tmp_path / "log.db", clock=SettableClock(), new_id=new_id)
    yield built
    built.close()


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


async def held(tier: ChatTier, **model: Any) -> ChatOver:
    assistant = {"model": {"provider": "openai", "model": "gpt-4o-mini", **model}}
    order = ChatOrder(
        chat_id=new_id(),
        org_id=ORG,
        request={"input": "Book it.", "assistant": assistant},
        input=({"role": "user", "content": "Book it."},),
        assistant=assistant,
    )
    try:
        return await (await tier.hold(order)).over()
    finally:
        await tier.close()


async def test_tools_without_a_server_reach_the_organizations(log: EmbeddedLog, server: ToolServer) -> None:
    await log.execute(ORGANIZATION, ORG, CreateOrganization(name="Acme"))
    await log.execute(ORGANIZATION, ORG, Configure(changes={"server": {"url": server.url, "secret": "s3cret"}}))
    server.answer({"toolCallId": "call_0", "result": "booked"})
    async with OpenAiServer(CallTools(calls=(("book", "{}"),), text=""), Say("Done.")) as model:
        over = await held(chatting(log, SettableClock(), openai_base_url=model.base_url), tools=[TOOL])
    assert isinstance(over.chat, Completed)
    (request,) = server.received
    assert (request.message["type"], request.message["chat"]["orgId"]) == ("tool-calls", ORG)
    assert request.headers["x-vapi-secret"] == "s3cret"


async def test_the_knowledge_base_is_asked_before_the_model(log: EmbeddedLog, server: ToolServer) -> None:
    server.answers.append((200, json.dumps({"documents": [{"content": "Only on Mondays."}]}).encode()))
    base = {"provider": "custom-knowledge-base", "server": {"url": server.url}}
    async with OpenAiServer(Say("On Monday.")) as model:
        await held(chatting(log, SettableClock(), openai_base_url=model.base_url), knowledgeBase=base)
        asked = model.requests[-1].body["messages"]
    assert [message["role"] for message in asked] == ["system", "user"]
    assert "Only on Mondays." in asked[0]["content"]
    assert server.received[0].message["type"] == "knowledge-base-request"


async def test_the_organizations_own_key_is_used(log: EmbeddedLog) -> None:
    command = CreateConfiguration(org_id=ORG, config={"provider": "openai", "apiKey": "sk-own"})
    await log.execute(CONFIGURATIONS["credential"], new_id(), command)
    keys = OwnKeys(log, opening(NoSeal())).of
    async with OpenAiServer(Say("Done.")) as model:
        tier = chatting(log, SettableClock(), openai_base_url=model.base_url, keys=keys)
        over = await held(tier)
        assert model.requests[-1].headers["authorization"] == "Bearer sk-own"
    assert isinstance(over.chat, Completed)

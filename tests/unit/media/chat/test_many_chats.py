"""Many chats at once: as many as are allowed, and none waits for the conversation that another goes on from."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.aggregate import Refused
from domain.chat.context import History
from domain.chats import ChatOrder, TooManyChats
from media.chat.settings import ChatSettings
from media.chat.tier import ChatTier, RunningChat
from streams.log.embedded import EmbeddedLog
from tests.simulators.openai_server import OpenAiServer, Say
from tests.unit.api.chatting import chatting
from tests.unit.api.installation import SettableClock, new_id

ASSISTANT = {"model": {"provider": "openai", "model": "gpt-4o-mini"}}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    built = EmbeddedLog.open(tmp_path / "log.db", clock=SettableClock(), new_id=new_id)
    yield built
    built.close()


def order(**more: Any) -> ChatOrder:
    return ChatOrder(
        chat_id=new_id(),
        org_id="org",
        request={"input": "Hello?", "assistant": ASSISTANT},
        input=({"role": "user", "content": "Hello?"},),
        **({"assistant": ASSISTANT} | more),
    )


async def begin(tier: ChatTier, wanted: int) -> tuple[list[RunningChat], int]:
    """Ask for them at the same instant: those that run, and how many were refused."""
    outcomes = await asyncio.gather(*(tier.hold(order()) for _ in range(wanted)), return_exceptions=True)
    running = [outcome for outcome in outcomes if isinstance(outcome, RunningChat)]
    refused = sum(isinstance(outcome, TooManyChats) for outcome in outcomes)
    assert len(running) + refused == wanted
    return running, refused


async def test_chats_that_come_at_the_same_instant_are_no_more_than_may_be(log: EmbeddedLog) -> None:
    async with OpenAiServer(*[Say("Yes.")] * 6) as model:
        settings = ChatSettings(max_chats=2)
        tier = chatting(log, SettableClock(), openai_base_url=model.base_url, settings=settings)
        for _ in range(2):
            running, refused = await begin(tier, 4)
            assert (len(running), refused) == (2, 2)
            await asyncio.gather(*(chat.over() for chat in running))
            with pytest.raises(Refused):
                await tier.hold(order(previous_chat_id="none"))
        await tier.close()


async def test_the_conversation_before_it_is_read_beside_the_loop(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[str] = []
    real = History.up_to

    def up_to(history: History, *arguments: Any) -> Any:
        readers.append(threading.current_thread().name)
        return real(history, *arguments)

    monkeypatch.setattr(History, "up_to", up_to)
    async with OpenAiServer(Say("Yes."), Say("Still.")) as model:
        tier = chatting(log, SettableClock(), openai_base_url=model.base_url)
        first = await (await tier.hold(order())).over()
        second = await (await tier.hold(order(previous_chat_id=first.chat.identity.id))).over()
        await tier.close()
    assert second.chat.identity.previous_chat_id == first.chat.identity.id
    assert [name for name in readers if name == threading.main_thread().name] == []
    assert len(readers) == 1

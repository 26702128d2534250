"""A call that belongs to a session goes on from what was said there before, and its replay knows it too."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.call.artifact import openai_messages
from domain.chat.context import History
from domain.chat.messages import Timed
from domain.configuration.commands import CreateConfiguration
from domain.session.aggregate import CONVERSATIONS, SESSION, JoinConversation
from domain.session.state import ActiveSession
from media.machine.recorded import judge, recorded_call
from media.providers.scripted import ScriptedLanguageModel
from tests.unit.media.call.rig import ORG, Rig, media_rig
from tests.unit.media.call.test_calls import PROMPT, Caller, assistant, providers

EARLIER: list[dict[str, Any]] = [
    {"role": "user", "content": "My name is Ada."},
    {"role": "assistant", "content": "Hello Ada."},
]


async def joined_call(rig: Rig, session_id: str, config: dict[str, Any]) -> Caller:
    call_id = await rig.create(config, sessionId=session_id)
    joining = JoinConversation(org_id=ORG, kind="call", conversation_id=call_id, began_at=datetime.now(UTC))
    await rig.log.execute(CONVERSATIONS, session_id, joining)
    return Caller(rig, call_id)


async def spoken(caller: Caller) -> None:
    await caller.until_said(1)
    await caller.speak(300)
    await caller.until_said(2)
    await caller.hang_up()


async def test_each_call_of_a_session_reads_what_was_said_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []
    real = History.session

    def session(history: History, state: ActiveSession) -> list[Timed]:
        readers.append(threading.current_thread())
        return real(history, state)

    monkeypatch.setattr(History, "session", session)
    scripted = providers("what is my name", "and again", answers=("Ada.", "Still Ada."))
    model = scripted.thinking[0]
    assert isinstance(model, ScriptedLanguageModel)
    async with media_rig(tmp_path, scripted) as rig:
        session_id = rig.new_id()
        config = {"messages": EARLIER}
        await rig.log.execute(SESSION, session_id, CreateConfiguration(org_id=ORG, config=config))
        for _ in range(2):
            caller = await joined_call(rig, session_id, assistant())
            await spoken(caller)
        read = [[message["content"] for message in request.messages] for request in model.requests]
        call = rig.call(caller.call_id)
        fragments = rig.fragments.read(caller.call_id)
        events = rig.events(caller.call_id)
    hello = [each["content"] for each in EARLIER]
    first = [PROMPT[0], *hello, "Hello.", "what is my name"]
    assert read[0] == first
    assert read[-1] == [PROMPT[0], *hello, "Hello.", "what is my name", "Ada.", "Hello.", "and again"]
    assert [each["content"] for each in openai_messages(call)] == [*PROMPT, "Hello.", "and again", "Still Ada."]
    recorded = recorded_call(events, fragments)
    assert recorded.facts["earlier"][0] == EARLIER[0]
    assert judge(recorded).exact
    assert len(readers) == 2
    assert threading.main_thread() not in readers, "other calls would have waited"


async def test_a_session_of_somebody_else_is_none(tmp_path: Path) -> None:
    scripted = providers("what is my name", answers=("I do not know.",))
    model = scripted.thinking[0]
    assert isinstance(model, ScriptedLanguageModel)
    async with media_rig(tmp_path, scripted) as rig:
        session_id = rig.new_id()
        stranger = CreateConfiguration(org_id=rig.new_id(), config={"messages": EARLIER})
        await rig.log.execute(SESSION, session_id, stranger)
        caller = Caller(rig, await rig.create(assistant(), sessionId=session_id))
        await spoken(caller)
    assert [message["content"] for message in model.requests[0].messages] == [PROMPT[0], "Hello.", "what is my name"]

"""Whole calls with squads and stored tools: real machine, real log, scripted providers, a caller on a socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.call.artifact import artifact_body
from domain.call.events import (
    AssistantActivated,
    CallEnded,
    CallStarted,
    ConfigurationUse,
    MessageCommitted,
    ToolCompleted,
    ToolFailed,
    UsageMetered,
    VariablesSet,
    Warned,
)
from domain.call.state import Ended
from domain.live_calls import CallRejected
from media.machine.recorded import judge, recorded_call
from media.providers.language_model import ModelRequest, ToolCallRequest
from media.providers.scripted import Answer, ScriptedLanguageModel, ScriptedSpeechToText, ScriptedTextToSpeech
from tests.unit.media.call.rig import Rig, ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import QUICK, Caller, of
from tests.unit.media.tools.tool_server import tool_server


class Voices(ScriptedProviders):
    """Every assistant speaks with a voice of its own, named by its ``voiceId``."""

    def __init__(self, *heard: str, answers: Any) -> None:
        super().__init__(hearing=[ScriptedSpeechToText(list(heard))], thinking=[ScriptedLanguageModel(answers=answers)])
        self.by_id: dict[str, ScriptedTextToSpeech] = {}

    def voices(self, assistant: Any) -> list[ScriptedTextToSpeech]:
        name = assistant.get("voice", {}).get("voiceId", "")
        return [self.by_id.setdefault(name, ScriptedTextToSpeech(ms_per_character=10.0))]


def member(name: str, prompt: str, **more: Any) -> dict[str, Any]:
    model = {"messages": [{"role": "system", "content": prompt}], **more.pop("model", {})}
    return {"name": name, "model": model, "startSpeakingPlan": QUICK, "voice": {"voiceId": name}, **more}


SQUAD: dict[str, Any] = {
    "name": "Front desk",
    "members": [
        {
            "assistant": member("Reception", "You are the reception.", firstMessage="Reception, hello."),
            "assistantDestinations": [
                {
                    "type": "assistant",
                    "assistantName": "Billing Desk",
                    "description": "invoices",
                    "contextEngineeringPlan": {"type": "userAndAssistantMessages"},
                }
            ],
        },
        {
            "assistant": member("Billing Desk", "You do billing for {{ customerName }}.", firstMessage="Billing here."),
            "assistantDestinations": [{"type": "assistant", "assistantName": "Manager", "description": "complaints"}],
        },
        {
            "assistant": member(
                "Manager", "You manage.", firstMessageMode="assistant-speaks-first-with-model-generated-message"
            ),
            "assistantOverrides": {"maxDurationSeconds": 1200},
        },
    ],
    "membersOverrides": {"endCallMessage": "Bye from all of us."},
}


def answers(request: ModelRequest) -> Answer:
    """Each assistant does what its prompt would have it do."""
    prompts = [message["content"] for message in request.messages if message["role"] == "system"]
    asked = next((m["content"] for m in reversed(request.messages) if m["role"] == "user"), "")
    names = {tool["function"]["name"] for tool in request.tools}
    if prompts[-1] == "You manage.":
        return "Manager speaking."
    if prompts[-1].startswith("You do billing"):
        if "manager" in asked and "transferCall" in names:
            return [ToolCallRequest("c2", "transferCall", {})]
        return f"We know about it. {prompts[-1]}"
    return [ToolCallRequest("c1", "handoff_to_Billing_Desk", {"customerName": "Mina", "customer": "nobody"})]


async def dialled(rig: Rig, **request: Any) -> Caller:
    return Caller(rig, await rig.create(**request))


async def test_a_squad_of_three_hands_a_call_from_one_to_the_next(tmp_path: Path) -> None:
    voices = Voices("i have a question about my invoice", "what about it", "i want the manager", answers=answers)
    async with media_rig(tmp_path, voices) as rig:
        caller = await dialled(rig, squad=SQUAD)
        await caller.until_said(1)
        await caller.speak()
        await caller.until_message(type="transfer-update")
        await caller.until_said(2)
        await caller.speak()
        await caller.until_said(3)
        await caller.speak()
        await caller.until_said(5)
        events = await caller.hang_up()
        fragments = rig.fragments.read(caller.call_id)
        call = rig.call(caller.call_id)

    # Who had the word, and how it went from one to the other.
    first, second = of(events, AssistantActivated)
    assert (first.by, first.from_name, first.name, first.context) == (
        "handoff",
        "Reception",
        "Billing Desk",
        "userAndAssistantMessages",
    )
    assert (second.by, second.from_name, second.name, second.context) == (
        "transfer",
        "Billing Desk",
        "Manager",
        "rolling-history",
    )
    assert first.assistant["endCallMessage"] == "Bye from all of us."
    said = [(m.text, m.source) for m in of(events, MessageCommitted) if m.role == "assistant"]
    assert said == [
        ("Reception, hello.", "first-message"),
        ("Billing here.", "first-message"),
        ("We know about it. You do billing for Mina.", "model"),
        ("Transferring the call now", "tool-message"),
        ("Manager speaking.", "model"),
    ]

    # Each spoke with their own voice; what the source says as it leaves is the source's.
    assert " ".join(voices.by_id["Reception"].spoken) == "Reception, hello."
    assert " ".join(voices.by_id["Billing Desk"].spoken).endswith("Transferring the call now")
    assert " ".join(voices.by_id["Manager"].spoken) == "Manager speaking."

    # Arguments become variables of the call; facts of the platform do not change.
    (values,) = of(events, VariablesSet)
    assert values.values == {"customerName": "Mina"}

    # What the next assistants saw.
    requests = voices.thinking[0].requests  # type: ignore[attr-defined]  # the scripted model keeps them
    billing = next(r for r in requests if r.messages[0]["content"] == "You do billing for Mina.")
    assert [m["role"] for m in billing.messages] == ["system", "assistant", "user", "assistant", "user"]
    manager = requests[-1].messages
    assert [m["content"] for m in manager if m["role"] == "system"] == ["You do billing for Mina.", "You manage."]
    assert "Transferring the call now" not in [m["content"] for m in manager]

    # The client was told.
    updates = [m for m in caller.messages if m["type"] == "transfer-update"]
    assert [(m["fromAssistant"]["name"], m["toAssistant"]["name"]) for m in updates] == [
        ("Reception", "Billing Desk"),
        ("Billing Desk", "Manager"),
    ]
    assert [m["newAssistant"]["name"] for m in caller.messages if m["type"] == "assistant.started"] == [
        "Reception",
        "Billing Desk",
        "Manager",
    ]

    # The artifact names everybody, and says whose words were whose.
    assert isinstance(call, Ended)
    artifact = artifact_body(call, {})
    assert [held["assistantName"] for held in artifact["assistantActivations"]] == [
        "Reception",
        "Billing Desk",
        "Manager",
    ]
    assert artifact["variableValues"]["customerName"] == "Mina"
    bots = [(m["assistantName"], m["message"]) for m in artifact["messages"] if m["role"] == "bot"]
    assert ("Reception", "Reception, hello.") in bots
    assert ("Manager", "Manager speaking.") in bots

    # Every minute and character is metered once, with whom it was used by.
    metered = [usage for usage in of(events, UsageMetered) if usage.meter == "voice"]
    assert [usage.model for usage in metered] == ["Reception", "Billing Desk", "Manager"]
    assert [usage.quantities["characters"] > 0 for usage in metered] == [True, True, True]

    # The recorded inputs step the machine to the same events again, whoever has the word.
    recorded = recorded_call(events, fragments)
    assert recorded.facts["max_duration_seconds"] == 1200
    verdict = judge(recorded)
    assert verdict.exact, verdict.difference


async def test_stored_squads_assistants_and_tools_are_found_and_noted_with_their_versions(tmp_path: Path) -> None:
    with tool_server() as server:
        server.answers.append((200, b'{"city": "Leeds", "open": true}'))
        tool = {
            "type": "apiRequest",
            "name": "findShop",
            "method": "GET",
            "url": server.url + "/{{ town }}",
            "body": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
            "messages": [],
            "variableExtractionPlan": {"aliases": [{"key": "shopCity", "value": "{{ $.city }}"}]},
        }

        def shopping(request: ModelRequest) -> Answer:
            if request.messages[-1]["role"] == "tool":
                return "It is open."
            return [ToolCallRequest("c1", "findShop", {"town": "Leeds & York"})]

        async with media_rig(tmp_path, Voices("where are you", answers=shopping)) as rig:
            tool_id = await rig.store("tool", tool)
            config = member("Shop", "Sell.", firstMessage="Shop.", model={"toolIds": [tool_id]})
            assistant_id = await rig.store("assistant", config)
            squad_id = await rig.store("squad", {"members": [{"assistantId": assistant_id}]})
            caller = await dialled(rig, squadId=squad_id)
            await caller.until_said(1)
            await caller.speak()
            await caller.until_said(2)
            events = await caller.hang_up()
    started = of(events, CallStarted)[0]
    assert started.assistant_id == assistant_id
    assert started.used == (
        ConfigurationUse(kind="squad", id=squad_id, version="v1"),
        ConfigurationUse(kind="assistant", id=assistant_id, version="v1"),
        ConfigurationUse(kind="tool", id=tool_id, version="v1"),
    )
    assert [entry.path for entry in server.received] == ["/tools/Leeds%20%26%20York"]
    (completed,) = of(events, ToolCompleted)
    assert completed.result == '{"city":"Leeds","open":true}'
    (values,) = of(events, VariablesSet)
    assert values.values == {"shopCity": "Leeds"}


async def test_a_call_whose_tool_or_squad_does_not_exist_is_ended_before_it_begins(tmp_path: Path) -> None:
    missing = "4d0b4d3c-0000-4000-8000-000000000000"
    twins = {"members": [{"assistant": {"name": "A"}}, {"assistant": {"name": "A"}}]}
    requests: list[tuple[dict[str, Any], str, str]] = [
        ({"assistant": {"model": {"toolIds": [missing]}}}, "call.start.error-get-resources-validation", "Tool"),
        ({"squadId": missing}, "call.start.error-get-resources-validation", "Squad"),
        ({"squad": twins}, "call.start.error-get-resources-validation", "Duplicate Assistant Name"),
    ]
    async with media_rig(tmp_path) as rig:
        for request, reason, words in requests:
            caller = await dialled(rig, **request)
            with pytest.raises(CallRejected):
                await caller.serving
            (ended,) = of(rig.events(caller.call_id), CallEnded)
            assert ended.reason == reason
            assert words in (ended.message or "")


async def test_a_hand_off_to_nobody_keeps_the_present_assistant(tmp_path: Path) -> None:
    def lost(request: ModelRequest) -> Answer:
        if request.messages[-1]["role"] == "tool":
            return "Then I will help you."
        return [ToolCallRequest("c1", "handoff_to_Nobody", {})]

    handoff = {"type": "handoff", "destinations": [{"type": "assistant", "assistantName": "Nobody"}]}
    config = member("Alone", "Help.", firstMessage="Hello.", model={"tools": [handoff]})
    async with media_rig(tmp_path, Voices("the other one please", answers=lost)) as rig:
        caller = await dialled(rig, assistant=config)
        await caller.until_said(1)
        await caller.speak()
        await caller.until_said(2)
        events = await caller.hang_up()
    assert not of(events, AssistantActivated)
    assert [failed.error for failed in of(events, ToolFailed)] == ["The conversation cannot be handed there now."]
    assert "handoff-failed" in [warning.code for warning in of(events, Warned)]

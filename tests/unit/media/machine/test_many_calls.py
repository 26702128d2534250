"""Many calls in virtual time, with everything that can go wrong drawn from a seed: each of them ends as it must."""

from __future__ import annotations

import random
from typing import Any

import pytest

from domain.call.events import AssistantInterrupted, CallEnded, MessageCommitted, TurnMeasured, UsageMetered
from media.machine import inputs, outputs
from media.machine.inputs import RequestedTool
from media.machine.replay import replay
from tests.unit.media.machine.scenario import Reply, Scenario

SERVER = {"url": "https://t.example"}
CONFIG: dict[str, Any] = {
    "firstMessage": "Hello, this is the practice. How can I help?",
    "silenceTimeoutSeconds": 10,
    "maxDurationSeconds": 120,
    "messagePlan": {"idleMessages": ["Are you there?"], "idleTimeoutSeconds": 4},
    "keypadInputPlan": {"enabled": True, "timeoutSeconds": 1},
    "model": {"tools": [{"type": "function", "function": {"name": "look"}, "server": SERVER}, {"type": "endCall"}]},
    "hooks": [
        {"on": "assistant.speech.interrupted", "do": [{"type": "say", "exact": "Go ahead."}]},
        {"on": "call.ending", "do": [{"type": "tool", "tool": {"type": "function", "function": {"name": "bye"}}}]},
    ],
}
SAID = ("I need a table", "for six people.", "wait no", "yeah", "what do you have on Monday?", "", "my number is 4 2")
ANSWERS = ("We open at nine.", "One moment. On Monday we have a table at six, or another one at eight.", "")


def held(seed: int) -> Scenario:
    """One call: a caller who speaks when it suits, providers that are slow, silent or fail, a tool server likewise."""
    chance = random.Random(seed)  # a seeded simulation, no secret
    call = Scenario(
        CONFIG,
        voice_ms=chance.choice([40, 100, 900]),
        native_end_of_turn=chance.random() < 0.3,
        thinks_ahead=seed % 2 == 1,
    )
    call.replies = [_reply(chance) for _ in range(20)]
    if chance.random() < 0.8:
        answer: inputs.ToolReturned | inputs.ToolErred = inputs.ToolReturned(tool_call_id="", result="Free at six.")
        if chance.random() < 0.3:
            answer = inputs.ToolErred(tool_call_id="", failure="timeout", error="No answer.")
        call.results["look"] = (chance.choice([10.0, 800.0, 6_000.0]), answer)
    call.connect()
    for _ in range(chance.randrange(1, 8)):
        call.run(chance.choice([100, 900, 2_500, 5_000]))
        _something(call, chance)
    call.run(chance.choice([0, 1_000, 15_000]))
    if chance.random() < 0.6:
        call.feed(inputs.TransportClosed())
    call.run(150_000)
    return call


def _reply(chance: random.Random) -> Reply:
    kind = chance.random()
    if kind < 0.04:
        return Reply(fails="pipeline-error-openai-llm-failed")
    if kind < 0.08:
        return Reply(silent=True)
    if kind < 0.25:
        return Reply(calls=(RequestedTool("c", "look", {}),))
    if kind < 0.28:
        return Reply(calls=(RequestedTool("e", "endCall", {}),))
    return Reply(chance.choice(ANSWERS), delay_ms=chance.choice([50, 300, 6_000]), token_ms=chance.choice([5, 80]))


def _something(call: Scenario, chance: random.Random) -> None:
    kind = chance.random()
    if kind < 0.6:
        call.hear(
            chance.choice(SAID), speak_ms=chance.choice([120, 600, 2_000]), final_after_ms=chance.choice([20, 300])
        )
        if chance.random() < 0.5:
            call.feed(inputs.EndOfTurnHeard())
    elif kind < 0.7:
        call.feed(inputs.SpeechStarted(at_ms=call.now))
        call.run(100)
        call.feed(inputs.EagerTurnHeard(text=""))
        call.feed(inputs.SpeechStopped(at_ms=call.now))
    elif kind < 0.8:
        call.feed(inputs.KeyPressed(key=chance.choice("0123456789")))
    elif kind < 0.85:
        call.feed(inputs.ProviderFailed(stage="voice", ended_reason="pipeline-error-voice"))
    else:
        call.feed(inputs.ControlReceived(message={"type": "say", "content": "A word from the desk."}))


def check(call: Scenario) -> None:
    """What holds of every call, whatever happened in it. The shell checks each output as it is made."""
    assert call.state.over, call.phase
    assert len(call.events(CallEnded)) == 1
    assert isinstance(call.log[-1][1], outputs.HangUp)
    assert not call.timers
    assert "running" not in call.requests.values()
    ended_ms = call.log[-1][0]
    assert all(player.done or player.opened_ms is None for player in call.players.values()), "no audio after the end"
    assert ended_ms <= 120_000 + 21_000
    for message in call.events(MessageCommitted):
        assert (message.generated_text or message.text).startswith(message.text), "history is what was heard"
    cut = len(call.events(AssistantInterrupted))
    assert cut >= len(call.told("user-interrupted"))
    asked = len(call.outputs(outputs.StartModel))
    metered = len([reading for reading in call.events(UsageMetered) if reading.meter == "model"])
    assert metered == asked, "each request is billed once"
    assert all(turn.t7_ms is not None for turn in call.events(TurnMeasured))
    assert [output for made in replay(call.plan, call.fed) for output in made] == [output for _, output in call.log]


@pytest.mark.parametrize("first", [0, 25])
def test_some_calls_end_as_they_must(first: int) -> None:
    for seed in range(first, first + 25):
        check(held(seed))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 2_000, 100))
def test_a_thousand_calls_end_as_they_must(first: int) -> None:
    for seed in range(first, first + 100):
        check(held(seed))

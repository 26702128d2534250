"""Keys that the caller presses become turns."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import TurnDecided, Warned
from media.machine import inputs, outputs
from media.machine.reading import PlanInvalid
from tests.unit.media.machine.scenario import Reply, Scenario


def call_with(**plan: Any) -> Scenario:
    call = Scenario({"firstMessage": "Your number, please.", "keypadInputPlan": {"enabled": True, **plan}})
    call.replies = [Reply("Thank you, that was all we needed to know from you.")] * 3
    return call.connect().run_until_quiet()


def press(call: Scenario, keys: str, every_ms: float = 100) -> Scenario:
    for key in keys:
        call.feed(inputs.ControlReceived(message={"type": "dtmf", "digit": key}))
        call.run(every_ms)
    return call


def entries(call: Scenario) -> list[str]:
    return [text for role, text in call.messages() if role == "user"]


def test_a_pause_ends_an_entry_and_the_model_is_asked() -> None:
    call = press(call_with(timeoutSeconds=1), "1234")
    assert entries(call) == []
    call.run(1_000).run_until_quiet()
    assert entries(call) == ["User's Keypad Entry: 1234"]
    assert call.outputs(outputs.StartModel)[0].messages[-1]["content"] == "User's Keypad Entry: 1234"
    assert [event.rule for event in call.events(TurnDecided)] == ["keypad"]
    assert call.messages()[-1][0] == "assistant"


@pytest.mark.parametrize("delimiters", ["#", ["#", "*"]])
def test_a_delimiter_ends_an_entry_at_once(delimiters: Any) -> None:
    call = press(call_with(timeoutSeconds=0, delimiters=delimiters), "42#")
    assert entries(call) == ["User's Keypad Entry: 42"]


def test_without_a_timeout_only_a_delimiter_ends_an_entry() -> None:
    call = press(call_with(timeoutSeconds=0, delimiters="#"), "42")
    call.run(10_000)
    assert entries(call) == []


def test_several_keys_may_come_in_one_message() -> None:
    call = call_with(delimiters="#")
    call.feed(inputs.ControlReceived(message={"type": "dtmf", "digits": "77#88#"}))
    assert entries(call) == ["User's Keypad Entry: 77", "User's Keypad Entry: 88"]


def test_keys_stop_the_assistant_and_what_it_was_about_to_say() -> None:
    call = call_with(timeoutSeconds=1)
    call.hear("hello there.").run(1_200)
    assert call.phase == "ASSISTANT_SPEAKING"
    press(call, "5").run(1_000).run_until_quiet()
    assert len(call.outputs(outputs.StopPlayout)) == 1
    assert entries(call) == ["hello there.", "User's Keypad Entry: 5"]


def test_spoken_words_and_keys_are_messages_of_their_own() -> None:
    call = call_with(delimiters="#")
    call.feed(inputs.FinalHeard(text="my number is", confidence=0.9))
    press(call, "12#")
    assert entries(call) == ["my number is", "User's Keypad Entry: 12"]
    call.run_until_quiet()
    assert len(call.outputs(outputs.StartModel)) == 1


def test_an_assistant_that_takes_no_keys_does_nothing() -> None:
    call = press(Scenario({"firstMessage": "Hello."}).connect().run_until_quiet(), "1").run(5_000)
    assert entries(call) == []


def test_what_is_no_key_is_named() -> None:
    call = call_with()
    call.feed(inputs.ControlReceived(message={"type": "dtmf", "digit": "five"}))
    assert [event.code for event in call.events(Warned)] == ["control-invalid"]


def test_a_delimiter_that_is_none_is_refused() -> None:
    with pytest.raises(PlanInvalid, match="delimiters"):
        call_with(delimiters="+")

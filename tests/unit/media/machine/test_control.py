"""Live control messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.call.events import AssistantInterrupted, Warned
from media.machine import outputs
from media.machine.inputs import ControlReceived, PartialHeard
from tests.unit.media.machine.scenario import Reply, Scenario

LONG = "This is a rather long greeting, which goes on for a good while and then some."


def control(scenario: Scenario, **message: Any) -> Scenario:
    scenario.feed(ControlReceived(message=message))
    return scenario


def test_say_waits_for_what_is_being_said() -> None:
    c = Scenario({"firstMessage": LONG}).connect().run(500)
    control(c, type="say", content="By the way.").run_until_quiet()
    assert [text for _, text in c.messages()] == [LONG, "By the way."]


def test_say_takes_message_for_content() -> None:
    c = control(Scenario().connect(), type="say", message="By the way.").run_until_quiet()
    assert c.messages() == [("assistant", "By the way.")]


def test_say_can_replace_what_is_being_said() -> None:
    c = Scenario({"firstMessage": LONG}).connect().run(500)
    control(c, type="say", content="News!", interruptAssistantEnabled=True).run_until_quiet()
    first, second = (text for _, text in c.messages())
    assert LONG.startswith(first)
    assert second == "News!"
    assert [event.by for event in c.events(AssistantInterrupted)] == ["control"]


def test_say_can_end_the_call() -> None:
    c = control(Scenario().connect(), type="say", content="Bye now.", endCallAfterSpoken=True).run(3000)
    assert c.messages() == [("assistant", "Bye now.")]
    assert c.ended == "assistant-ended-call-after-message-spoken"


def test_say_can_forbid_interruptions() -> None:
    c = control(Scenario().connect(), type="say", content=LONG, interruptionsEnabled=False).run(500)
    c.feed(PartialHeard(text="stop"))
    assert c.phase == "ASSISTANT_SPEAKING"


def test_add_message_asks_the_model() -> None:
    c = Scenario()
    c.replies = [Reply("Noted.")]
    control(c.connect(), type="add-message", message={"role": "system", "content": "The caller is Mina."})
    c.run_until_quiet()
    assert c.outputs(outputs.StartModel)[0].messages == ({"role": "system", "content": "The caller is Mina."},)
    assert c.messages() == [("system", "The caller is Mina."), ("assistant", "Noted.")]


def test_add_message_without_a_response_waits_for_the_next_turn() -> None:
    c = Scenario().connect()
    message = {"role": "system", "content": "The caller is Mina."}
    control(c, type="add-message", message=message, triggerResponseEnabled=False).run(1000)
    assert not c.outputs(outputs.StartModel)
    c.hear("Hello?").run(200)
    assert c.outputs(outputs.StartModel)[0].messages[0]["content"] == "The caller is Mina."


def test_add_message_during_speech_is_answered_afterwards() -> None:
    c = Scenario({"firstMessage": LONG}).connect().run(500)
    c.replies = [Reply("Noted.")]
    control(c, type="add-message", message={"role": "user", "content": "I am Mina."}).run(100)
    assert not c.outputs(outputs.StartModel)
    c.run_until_quiet()
    assert c.messages()[-1] == ("assistant", "Noted.")


def test_add_message_while_the_model_thinks_asks_it_anew() -> None:
    c = Scenario().connect().hear("Who am I?").run(150)
    control(c, type="add-message", message={"role": "system", "content": "The caller is Mina."})
    assert len(c.outputs(outputs.AbortModel)) == 1
    contents = [message["content"] for message in c.outputs(outputs.StartModel)[-1].messages]
    assert sorted(contents) == ["The caller is Mina.", "Who am I?"]


@pytest.mark.parametrize(
    ("wanted", "who", "muted"),
    [
        ("mute-assistant", "assistant", True),
        ("unmute-assistant", "assistant", False),
        ("mute-customer", "customer", True),
        ("unmute-customer", "customer", False),
    ],
)
def test_mute(wanted: str, who: str, muted: bool) -> None:
    c = control(Scenario().connect(), type="control", control=wanted)
    assert c.outputs(outputs.Mute) == [outputs.Mute(who=who, muted=muted)]


def test_say_first_message_on_demand() -> None:
    c = Scenario({"firstMessage": "Hello.", "firstMessageMode": "assistant-waits-for-user"}).connect()
    control(c, type="control", control="say-first-message").run_until_quiet()
    assert c.messages() == [("assistant", "Hello.")]


def test_what_is_added_during_a_speech_comes_after_it_so_that_the_model_answers_it() -> None:
    c = Scenario({"firstMessage": LONG})
    c.replies = [Reply("At nine.")]
    c.connect().run(500)
    control(c, type="add-message", message={"role": "user", "content": "When do you open?"}).run_until_quiet()
    (asked,) = c.outputs(outputs.StartModel)
    assert [(message["role"], message["content"]) for message in asked.messages] == [
        ("assistant", LONG),
        ("user", "When do you open?"),
    ]
    assert c.messages()[-1] == ("assistant", "At nine.")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "say"}, "control-invalid"),
        ({"type": "say", "content": 5}, "control-invalid"),
        ({"type": "add-message"}, "control-invalid"),
        ({"type": "add-message", "message": {"role": "king", "content": "x"}}, "control-invalid"),
        ({"type": "control", "control": "dance"}, "control-invalid"),
        ({"type": "control", "control": ["mute-assistant"]}, "control-invalid"),
        ({"type": "transfer", "destination": {}}, "control-invalid"),
        ({"type": "transfer", "destination": {"type": "assistant", "assistantName": "A"}}, "control-invalid"),
        ({"type": "send-transport-message"}, "control-unsupported"),
        ({"type": "dance"}, None),
        ({}, None),
        ({"type": ["say"]}, None),
    ],
)
def test_what_cannot_be_done_is_said_and_harmless(message: dict[str, Any], code: str | None) -> None:
    c = Scenario().connect()
    c.feed(ControlReceived(message=message))
    assert [warned.code for warned in c.events(Warned)] == ([code] if code else [])
    assert c.phase == "IDLE"


def test_the_answer_to_an_added_user_message_can_be_interrupted() -> None:
    c = Scenario({"firstMessageMode": "assistant-waits-for-user"})
    c.replies = [Reply(LONG), Reply("Yes?")]
    c.connect()
    control(c, type="add-message", message={"role": "user", "content": "Tell me all."}).run(1_500)
    c.hear("Stop, please.").run_until_quiet()
    assert [event.by for event in c.events(AssistantInterrupted)] == ["voice"]
    assert c.messages()[-1] == ("assistant", "Yes?")


FIELDS = (
    *(
        "type",
        "role",
        "content",
        "message",
        "control",
        "digit",
        "digits",
        "destination",
        "toolCallId",
        "result",
        "error",
    ),
    *("interruptAssistantEnabled", "interruptionsEnabled", "endCallAfterSpoken", "triggerResponseEnabled", "contents"),
    *("assistantName", "assistantId", "assistant", "squad", "number", "sipUri", "contextEngineeringPlan", "text"),
    *("transferPlan", "fallbackPlan", "mode", "maxMessages", "transferMode", "assistantOverrides", "language"),
)
WORDS = st.sampled_from(
    ("assistant", "squad", "number", "sip", "user", "system", "mute-assistant", "+14155552671", "{{", "")
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 9), st.floats(allow_nan=False), WORDS, st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)),
    max_leaves=8,
)
KINDS = st.sampled_from(
    ("say", "add-message", "control", "dtmf", "handoff", "transfer", "send-transport-message", "tool-call-result")
)


@settings(max_examples=50, deadline=None)
@given(
    kind=KINDS,
    fields=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5),
    after_ms=st.sampled_from((0, 200, 4_000)),
)
def test_no_message_however_odd_its_fields_breaks_the_call(kind: str, fields: dict[str, Any], after_ms: int) -> None:
    c = Scenario({"firstMessage": "Hello there.", "keypadInputPlan": {"enabled": True, "timeoutSeconds": 1}})
    c.replies = [Reply("I am well.")] * 9
    c.connect().run(after_ms)
    c.feed(ControlReceived(message={**fields, "type": kind}))
    if c.ended is None:
        c.run(20_000)
        control(c, type="end-call")
    assert c.ended is not None

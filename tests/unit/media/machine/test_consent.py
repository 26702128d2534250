"""Consent to being recorded: nothing is recorded and nothing else begins before it was given."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import MessageCommitted, RecordingConsentAnswered, ToolCalled
from media.machine import inputs, outputs
from media.machine.consent import agreed
from media.machine.reading import PlanInvalid
from tests.unit.media.machine.scenario import Reply, Scenario

MESSAGE = "This call is recorded."
FIRST = "Hello, how can I help?"


def asking(kind: str, **plan: Any) -> dict[str, Any]:
    return {
        "firstMessage": FIRST,
        "compliancePlan": {"recordingConsentPlan": {"type": kind, "message": MESSAGE, **plan}},
    }


def call_with(kind: str, *replies: Reply, config: dict[str, Any] | None = None, **plan: Any) -> Scenario:
    call = Scenario({**asking(kind, **plan), **(config or {})}, thinks_ahead=True)
    call.replies = list(replies)
    return call.connect()


def allowed(call: Scenario) -> list[bool]:
    return [output.allowed for output in call.outputs(outputs.AllowRecording)]


def answers(call: Scenario) -> list[tuple[str, bool]]:
    return [(event.kind, event.granted) for event in call.events(RecordingConsentAnswered)]


def test_whoever_stays_has_agreed_and_is_recorded_from_then_on() -> None:
    call = call_with("stay-on-line", waitSeconds=2)
    call.run(1_500)
    assert call.messages() == [("assistant", MESSAGE)]
    assert allowed(call) == [False]
    call.run(1_500)
    assert answers(call) == []
    call.run_until_quiet().run(2_000)
    assert allowed(call) == [False, True]
    assert answers(call) == [("stay-on-line", True)]
    assert call.messages() == [("assistant", MESSAGE), ("assistant", FIRST)]


def test_whoever_hangs_up_was_never_recorded() -> None:
    call = call_with("stay-on-line").run(1_000)
    call.feed(inputs.TransportClosed())
    call.run(2_000)
    assert (allowed(call), answers(call), call.ended) == ([False], [], "customer-ended-call")


def test_what_is_said_meanwhile_is_kept_and_not_answered() -> None:
    call = call_with("stay-on-line", waitSeconds=6).run(1_500)
    call.hear("When do you open?").run(9_000)
    assert not call.outputs(outputs.StartModel)
    assert call.messages() == [("assistant", MESSAGE), ("user", "When do you open?"), ("assistant", FIRST)]


def test_a_spoken_yes() -> None:
    call = call_with("verbal", Reply("At nine.")).run(1_300)
    call.hear("Yes, that's fine.").run_until_quiet().run(2_000)
    assert answers(call) == [("verbal", True)]
    assert allowed(call) == [False, True]
    call.hear("When do you open?").run_until_quiet()
    assert call.messages()[-1] == ("assistant", "At nine.")
    assert call.outputs(outputs.StartModel)[0].messages[-1]["content"] == "When do you open?"


def test_a_spoken_no_ends_the_call_where_no_tool_is_named() -> None:
    call = call_with("verbal", config={"endCallMessage": "Goodbye."}).run(1_300)
    call.hear("No, I don't want that.").run(3_000)
    assert answers(call) == [("verbal", False)]
    assert (allowed(call), call.ended) == ([False], "assistant-ended-call")
    assert call.messages()[-1] == ("assistant", "Goodbye.")


def test_a_spoken_no_runs_the_tool_that_is_named_and_the_call_goes_on_unrecorded() -> None:
    tool = {"type": "function", "function": {"name": "noteRefusal"}, "server": {"url": "https://x.example"}}
    call = call_with("verbal", declineTool=tool).run(1_300)
    call.hear("No.").run_until_quiet().run(2_000)
    assert [event.name for event in call.events(ToolCalled)] == ["noteRefusal"]
    assert (allowed(call), call.ended) == ([False], None)
    assert call.messages()[-1] == ("assistant", FIRST)


def test_a_spoken_no_can_hand_the_caller_to_somebody_else() -> None:
    tool = {"type": "handoff", "destinations": [{"type": "assistant", "assistantName": "Private"}]}
    call = call_with("verbal", declineTool=tool).run(1_300)
    call.hear("I would rather not.").run(1_000)
    (order,) = call.outputs(outputs.ResolveAssistant)
    other = {"name": "Private", "firstMessage": "Nothing of this is kept."}
    call.feed(inputs.AssistantResolved(tool_call_id=order.tool_call_id, assistant=other))
    call.run(3_000)
    assert call.messages()[-1] == ("assistant", "Nothing of this is kept.")
    assert allowed(call) == [False]


def test_an_answer_that_is_none_is_asked_for_again_and_no_answer_is_a_no() -> None:
    call = call_with("verbal").run(1_300)
    call.hear("What do you mean?").run_until_quiet().run(2_000)
    assert [text for role, text in call.messages() if role == "assistant"] == [MESSAGE, MESSAGE]
    call.run(9_000)
    assert [text for role, text in call.messages() if role == "assistant"] == [MESSAGE] * 3
    call.run(20_000)
    assert answers(call) == [("verbal", False)]
    assert call.ended == "assistant-ended-call"


def test_the_caller_may_be_let_speak_first() -> None:
    call = call_with("stay-on-line", firstMessageMode="assistant-waits-for-user").run(3_000)
    assert call.messages() == []
    call.hear("Hello?").run(12_000)
    assert [text for _, text in call.messages()] == ["Hello?", MESSAGE, FIRST]


def test_the_message_can_have_a_voice_of_its_own() -> None:
    call = call_with("stay-on-line", voice={"provider": "vapi", "voiceId": "Elliot"}).run(9_000)
    spoken = {output.text: output.voice for output in call.outputs(outputs.Synthesize)}
    assert spoken[MESSAGE] == "consent"
    assert set(spoken.values()) == {"consent", ""}


def test_the_message_cannot_be_interrupted() -> None:
    call = call_with("stay-on-line").run(300)
    call.hear("Wait, stop, I have a question!", speak_ms=800).run(300)
    message = call.events(MessageCommitted)[0]
    assert (message.text, message.interrupted) == (MESSAGE, False)


def test_an_assistant_that_takes_over_asks_if_nobody_has() -> None:
    call = Scenario({"firstMessage": "Hi.", "model": {"tools": []}})
    call.connect().run(1_000)
    call.feed(
        inputs.ControlReceived(
            message={"type": "handoff", "destination": {"type": "assistant", "assistantName": "Other"}}
        )
    )
    (order,) = call.outputs(outputs.ResolveAssistant)
    call.feed(inputs.AssistantResolved(tool_call_id=order.tool_call_id, assistant=asking("stay-on-line")))
    call.run(8_000)
    assert allowed(call) == [False, True]
    assert [text for _, text in call.messages()] == ["Hi.", MESSAGE, FIRST]


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("Yes.", True),
        ("yeah sure go ahead", True),
        ("No problem at all.", True),
        ("I don't mind.", True),
        ("I do not mind at all", True),
        ("Okay, I agree", True),
        ("No.", False),
        ("I'd rather not.", False),
        ("I do not agree", False),
        ("No thank you", False),
        ("That is not okay", False),
        ("What is it for?", None),
        ("Yes, no, wait", None),
        ("", None),
    ],
)
def test_yes_and_no(text: str, means: bool | None) -> None:
    assert agreed(text) is means


def test_a_plan_without_words_is_refused() -> None:
    with pytest.raises(PlanInvalid, match=r"recordingConsentPlan\.message is missing"):
        Scenario({"compliancePlan": {"recordingConsentPlan": {"type": "verbal", "message": " "}}})

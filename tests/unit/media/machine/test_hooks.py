"""Hooks: every occasion fires, every action is carried out, and the end of a call waits for what it caused."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import (
    HookTriggered,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    VariablesSet,
    Warned,
)
from media.machine import inputs, outputs
from tests.unit.media.machine.scenario import Reply, Scenario

SERVER = {"url": "https://tools.example.com"}
BOOK = {"type": "function", "function": {"name": "note"}, "server": SERVER, "messages": []}


def call_with(*hooks: dict[str, Any], **config: Any) -> Scenario:
    call = Scenario({"firstMessage": "Hello, how can I help you today?", "hooks": list(hooks), **config})
    call.replies = [Reply("We open at nine in the morning, every day of the week but Sunday.")] * 6
    return call


def fired(call: Scenario) -> list[tuple[str, int]]:
    return [(event.on, event.count) for event in call.events(HookTriggered)]


def say(on: str, *texts: str, **more: Any) -> dict[str, Any]:
    return {"on": on, "do": [{"type": "say", "exact": list(texts)}], **more}


def test_a_silent_caller_is_spoken_to_as_often_as_the_hook_says() -> None:
    options = {"timeoutSeconds": 3, "triggerMaxCount": 2}
    call = call_with(say("customer.speech.timeout", "Take your time.", "Still with me?", options=options))
    call.connect().run(25_000)
    assert fired(call) == [("customer.speech.timeout", 1), ("customer.speech.timeout", 2)]
    assert [text for _, text in call.messages()][1:] == ["Take your time.", "Still with me?"]


def test_the_shorthand_names_the_time() -> None:
    call = call_with(say("customer.speech.timeout[timeoutSeconds=4]", "Hello?"))
    call.connect().run_until_quiet()
    call.run(3_900)
    assert fired(call) == []
    call.run(200)
    assert fired(call) == [("customer.speech.timeout", 1)]


@pytest.mark.parametrize(("mode", "expected"), [("never", 1), ("onUserSpeech", 2)])
def test_speech_of_the_caller_resets_the_count_where_the_hook_says_so(mode: str, expected: int) -> None:
    options = {"timeoutSeconds": 2, "triggerMaxCount": 1, "triggerResetMode": mode}
    call = call_with(say("customer.speech.timeout", "Hello?", options=options))
    call.connect().run(10_000)
    call.hear("When do you open?").run(15_000)
    assert len(fired(call)) == expected


def test_an_interruption_of_the_assistant_fires_and_its_words_come_before_the_answer() -> None:
    call = call_with(
        say("assistant.speech.interrupted", "Sorry, go ahead."),
        firstMessageInterruptionsEnabled=True,
        stopSpeakingPlan={"numWords": 1, "backoffSeconds": 2},
    )
    call.connect().run(600)
    call.hear("When do you open then").run(20_000)
    assert fired(call)[0] == ("assistant.speech.interrupted", 1)
    said = [text for role, text in call.messages() if role == "assistant"]
    assert said[1] == "Sorry, go ahead."


def test_talking_into_the_callers_words_fires() -> None:
    call = call_with(say("customer.speech.interrupted", "I am sorry."))
    call.connect().run_until_quiet()
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.feed(inputs.PartialHeard(text="so what I wanted"))
    call.feed(inputs.ControlReceived(message={"type": "say", "content": "Listen!", "interruptionsEnabled": False}))
    call.run(1_000)
    assert fired(call) == [("customer.speech.interrupted", 1)]


def test_a_slow_model_fires_once_a_turn() -> None:
    call = call_with(say("model.response.timeout", "I am still thinking."))
    call.replies = [Reply("We open at nine.", delay_ms=7_000)]
    call.connect().run_until_quiet()
    call.hear("When do you open?").run(15_000)
    assert fired(call) == [("model.response.timeout", 1)]
    assert [text for role, text in call.messages() if role == "assistant"][1:] == [
        "I am still thinking.",
        "We open at nine.",
    ]


def test_words_that_pass_the_time_do_not_keep_a_silent_model_waited_for() -> None:
    call = call_with(say("model.response.timeout", "I am still thinking."))
    call.replies = [Reply("We open at nine.", delay_ms=3_600_000)]
    call.connect().run_until_quiet()
    asked = call.now
    call.hear("When do you open?").run(60_000)
    assert fired(call) == [("model.response.timeout", 1)]
    given_up = [event for event in call.events(Warned) if event.code == "answer-abandoned"]
    assert len(given_up) == 1
    assert given_up[0].at_ms is not None
    assert given_up[0].at_ms - asked < call.plan.fallback_ms + 3_000
    assert [text for role, text in call.messages() if role == "assistant"][1:3] == [
        "I am still thinking.",
        call.plan.fallback_text,
    ]


@pytest.mark.parametrize(("confidence", "expected"), [(0.19, 0), (0.2, 1), (0.4, 1), (0.41, 0)])
def test_a_final_of_doubtful_confidence_fires(confidence: float, expected: int) -> None:
    on = "assistant.transcriber.endpointedSpeechLowConfidence[confidence=0.2:0.4]"
    call = call_with(say(on, "I did not quite get that."))
    call.connect().run_until_quiet()
    call.feed(inputs.FinalHeard(text="mumble", confidence=confidence))
    assert len(fired(call)) == expected


def test_elapsed_time_fires_once() -> None:
    call = call_with(say("call.timeElapsed", "One minute left.", options={"seconds": 5}))
    call.connect().run(20_000)
    assert fired(call) == [("call.timeElapsed", 1)]


def test_a_message_is_added_and_answered() -> None:
    action = {"type": "message.add", "message": {"role": "system", "content": "Offer help."}}
    hook = {"on": "customer.speech.timeout", "options": {"triggerMaxCount": 1}, "do": [action]}
    call = call_with(hook)
    call.connect().run(16_000)
    assert ("system", "Offer help.") in call.messages()
    assert call.outputs(outputs.StartModel)[0].messages[-1] == {"role": "system", "content": "Offer help."}


def test_a_message_is_added_without_an_answer() -> None:
    action = {
        "type": "message.add",
        "message": {"role": "system", "content": "Offer help."},
        "triggerResponseEnabled": False,
    }
    call = call_with({"on": "customer.speech.timeout", "options": {"triggerMaxCount": 1}, "do": [action]})
    call.connect().run(16_000)
    assert ("system", "Offer help.") in call.messages()
    assert not call.outputs(outputs.StartModel)


def test_a_prompt_is_asked_of_the_model_with_the_transcript() -> None:
    action = {"type": "say", "prompt": "Sum up: {{transcript}}"}
    call = call_with({"on": "customer.speech.timeout", "options": {"triggerMaxCount": 1}, "do": [action]})
    call.connect().run(18_000)
    (asked,) = call.outputs(outputs.StartModel)
    assert asked.messages == ({"role": "system", "content": "Sum up: AI: Hello, how can I help you today?"},)
    assert call.messages()[-1] == ("assistant", "We open at nine in the morning, every day of the week but Sunday.")


def test_a_hooks_tool_runs_beside_the_conversation() -> None:
    hook = {
        "on": "customer.speech.timeout",
        "options": {"timeoutSeconds": 2, "triggerMaxCount": 1},
        "do": [{"type": "tool", "tool": BOOK}],
    }
    call = call_with(hook)
    call.results["note"] = (3_000.0, inputs.ToolReturned(tool_call_id="", result="noted"))
    call.connect().run_until_quiet()
    call.run(2_500)
    call.hear("When do you open?").run(10_000)
    assert [event.tool_call_id for event in call.events(ToolCalled)] == ["hook-function-call"]
    assert [event.result for event in call.events(ToolCompleted)] == ["noted"]
    assert call.messages()[-1][1].startswith("We open at nine")
    assert all(message["role"] != "tool" for message in call.outputs(outputs.StartModel)[-1].messages)


def test_variables_of_a_hooks_tool_fill_the_prompt() -> None:
    hook = {
        "on": "customer.speech.timeout",
        "options": {"timeoutSeconds": 2, "triggerMaxCount": 1},
        "do": [{"type": "tool", "tool": BOOK}],
    }
    config = {"hooks": [hook], "model": {"messages": [{"role": "system", "content": "Tier: {{ tier }}."}]}}
    call = Scenario(config, late_templates=("model.messages.0.content",))
    call.replies = [Reply("Gladly.")]
    call.results["note"] = (100.0, inputs.ToolReturned(tool_call_id="", result="noted", variables={"tier": "gold"}))
    call.connect().run(4_000)
    call.hear("When do you open?").run_until_quiet()
    assert [(event.values, event.tool_call_id) for event in call.events(VariablesSet)] == [
        ({"tier": "gold"}, "hook-function-call")
    ]
    assert call.outputs(outputs.StartModel)[-1].messages[0] == {"role": "system", "content": "Tier: gold."}


ENDING = {
    "on": "call.ending",
    "filters": [{"type": "oneOf", "key": "call.endedReason", "oneOf": ["pipeline-error"]}],
    "do": [{"type": "tool", "tool": BOOK}],
}


def test_the_end_waits_for_the_tools_that_it_calls() -> None:
    call = call_with(ENDING)
    call.results["note"] = (4_000.0, inputs.ToolReturned(tool_call_id="", result="noted"))
    call.connect().run_until_quiet()
    call.feed(inputs.ProviderFailed(stage="voice", ended_reason="pipeline-error-cartesia-voice-failed"))
    call.run(3_900)
    assert call.ended is None
    call.run(200)
    assert call.ended == "pipeline-error-cartesia-voice-failed"
    assert [event.result for event in call.events(ToolCompleted)] == ["noted"]


def test_the_end_waits_for_a_lost_tool_no_longer_than_its_time() -> None:
    call = call_with(ENDING)
    call.connect().run_until_quiet()
    call.feed(inputs.ProviderFailed(stage="voice", ended_reason="pipeline-error-x"))
    call.run(20_100)
    assert call.ended == "pipeline-error-x"


def test_a_filter_that_does_not_hold_keeps_the_hook_from_firing() -> None:
    call = call_with(ENDING)
    call.connect().run_until_quiet()
    call.feed(inputs.TransportClosed())
    call.run(2_000)
    assert call.ended == "customer-ended-call"
    assert fired(call) == []


def test_a_transfer_at_the_end_of_a_call_that_nobody_carries_fails_and_the_call_ends() -> None:
    destinations = [{"type": "number", "number": "+442071838750"}]
    hook = {
        "on": "call.ending",
        "do": [{"type": "tool", "tool": {"type": "transferCall", "destinations": destinations}}],
    }
    call = call_with(hook)
    call.connect().run_until_quiet()
    call.feed(inputs.EndRequested(reason="worker-shutdown"))
    call.run(1_100)
    assert call.ended == "worker-shutdown"
    assert len(call.events(ToolFailed)) == 1


@pytest.mark.parametrize(
    ("status", "detail", "told"),
    [
        ("busy", "The line is busy.", "The line is busy."),
        ("no-answer", "", "The transfer ended with no-answer."),
    ],
)
def test_a_transfer_at_the_end_of_a_call_that_fails_says_why(status: Any, detail: str, told: str) -> None:
    destination = {"type": "number", "number": "+442071838750"}
    hook = {"on": "call.ending", "do": [{"type": "transfer", "destination": destination}]}
    call = Scenario({"firstMessage": "Hello.", "hooks": [hook]}, transport_provider="twilio")
    call.connect().run_until_quiet()
    call.feed(inputs.EndRequested(reason="pipeline-error-x"))
    call.run(1_500)
    (order,) = call.outputs(outputs.Transfer)
    call.feed(inputs.TransferProgressed(transfer_id=order.transfer_id, status=status, detail=detail))
    assert [(event.failure, event.error) for event in call.events(ToolFailed)] == [("error", told)]
    assert call.ended == "pipeline-error-x"


def test_a_transfer_at_the_end_of_a_carried_call_is_waited_for() -> None:
    destination = {"type": "number", "number": "+442071838750"}
    hook = {"on": "call.ending", "do": [{"type": "transfer", "destination": destination}]}
    call = Scenario({"firstMessage": "Hello.", "hooks": [hook]}, transport_provider="twilio")
    call.connect().run_until_quiet()
    call.feed(inputs.EndRequested(reason="pipeline-error-x"))
    call.run(1_500)
    (order,) = call.outputs(outputs.Transfer)
    assert call.ended is None
    call.feed(inputs.TransferProgressed(transfer_id=order.transfer_id, status="connected"))
    assert call.ended == "pipeline-error-x"


def test_a_hook_may_end_the_call() -> None:
    hook = {"on": "call.timeElapsed", "options": {"seconds": 5}, "do": [{"type": "tool", "tool": {"type": "endCall"}}]}
    call = call_with(hook, endCallMessage="Goodbye.")
    call.connect().run(10_000)
    assert call.ended == "assistant-ended-call"
    assert call.messages()[-1] == ("assistant", "Goodbye.")


@pytest.mark.parametrize(
    ("hook", "named"),
    [
        ({"on": "call.started", "do": []}, "hooks[0].on"),
        ({"on": "call.ending", "do": [{"type": "dance"}]}, "hooks[0].do[0].type"),
        ({"on": "call.timeElapsed", "do": []}, "hooks[0].options.seconds"),
        ({"on": "call.ending", "do": [{"type": "tool"}]}, "hooks[0].do[0].tool"),
        ({"on": "customer.speech.timeout", "options": {"timeoutSeconds": 0}, "do": []}, "timeoutSeconds"),
        ("on call.ending", "hooks[0]"),
    ],
)
def test_a_hook_of_a_wrong_shape_is_left_out_and_named(hook: Any, named: str) -> None:
    call = call_with(hook)
    call.connect()
    (warning,) = [event for event in call.events(Warned) if event.code == "hook-ignored"]
    assert named in warning.detail
    assert call.events(MessageCommitted) == []

"""Thinking ahead of the decision: sooner where it was right, unnoticed where it was wrong."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import MessageCommitted, ToolCalled, ToolFailed, TurnDecided, TurnMeasured, UsageMetered
from media.machine import inputs, outputs
from media.machine.inputs import RequestedTool
from tests.unit.media.machine.scenario import Reply, Scenario

QUICK: dict[str, Any] = {"firstMessage": "Hello.", "startSpeakingPlan": {"waitSeconds": 0}}


def call_with(*replies: Reply, **config: Any) -> Scenario:
    call = Scenario({**QUICK, **config}, native_end_of_turn=True)
    call.connect().run_until_quiet()
    call.replies = list(replies)
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(300)
    call.feed(inputs.PartialHeard(text="When do you open"))
    call.feed(inputs.SpeechStopped(at_ms=call.now))
    return call


def eager(call: Scenario, text: str = "When do you open") -> Scenario:
    call.feed(inputs.EagerTurnHeard(text=text))
    return call


def over(call: Scenario, text: str = "When do you open?") -> Scenario:
    call.feed(inputs.FinalHeard(text=text, confidence=0.9))
    call.feed(inputs.EndOfTurnHeard())
    return call


def test_an_answer_that_was_prepared_is_there_when_the_turn_is_decided() -> None:
    call = eager(call_with(Reply("At nine.", delay_ms=200))).run(400)
    assert not call.outputs(outputs.Synthesize)[1:]
    assert not call.told("model-output")
    over(call)
    decided_ms = call.now
    assert [order.text for order in call.outputs(outputs.Synthesize)][1] == "At nine."
    call.run_until_quiet()
    assert len(call.outputs(outputs.StartModel)) == 1
    assert call.messages()[1:] == [("user", "When do you open?"), ("assistant", "At nine.")]
    turn = call.events(TurnMeasured)[-1]
    assert turn.t3_ms is not None
    assert turn.t7_ms == decided_ms + call.voice_ms
    assert turn.t3_ms < decided_ms


def test_an_answer_that_is_still_being_made_goes_on_as_it_comes() -> None:
    call = eager(call_with(Reply("At nine in the morning.", delay_ms=200, token_ms=50))).run(250)
    over(call).run_until_quiet()
    assert len(call.outputs(outputs.StartModel)) == 1
    assert not call.outputs(outputs.AbortModel)
    assert call.messages()[-1] == ("assistant", "At nine in the morning.")
    assert "".join(message["output"] for message in call.told("model-output")) == "At nine in the morning."


def test_a_caller_who_goes_on_gets_an_answer_to_all_of_it() -> None:
    call = eager(call_with(Reply("At nine."), Reply("On Sunday at ten."))).run(300)
    call.feed(inputs.TurnResumedHeard())
    assert len(call.events(MessageCommitted)) == 1
    call.feed(inputs.PartialHeard(text="When do you open on Sunday"))
    over(call, "When do you open on Sunday?").run_until_quiet()
    assert call.messages()[1:] == [("user", "When do you open on Sunday?"), ("assistant", "On Sunday at ten.")]
    asked = [order.messages[-1]["content"] for order in call.outputs(outputs.StartModel)]
    assert asked == ["When do you open", "When do you open on Sunday?"]


def test_other_words_at_the_end_are_asked_about_anew() -> None:
    call = eager(call_with(Reply("At nine."), Reply("At six."))).run(300)
    over(call, "When do you close?").run_until_quiet()
    assert call.messages()[-1] == ("assistant", "At six.")


def test_no_tool_is_called_before_the_turn_is_decided() -> None:
    tools = [{"type": "function", "function": {"name": "look"}, "server": {"url": "https://x.example"}, "messages": []}]
    call = call_with(Reply(calls=(RequestedTool("c1", "look", {}),)), Reply("It is free."), model={"tools": tools})
    call.results["look"] = (50.0, inputs.ToolReturned(tool_call_id="", result="free"))
    eager(call).run(400)
    assert not call.events(ToolCalled)
    over(call).run_until_quiet()
    assert len(call.events(ToolCalled)) == 1
    assert call.messages()[-1] == ("assistant", "It is free.")


def test_what_was_used_is_metered_once() -> None:
    call = eager(call_with(Reply("At nine."))).run(400)
    over(call).run_until_quiet()
    assert len([reading for reading in call.events(UsageMetered) if reading.meter == "model"]) == 1
    call = eager(call_with(Reply("At nine."), Reply("At six."))).run(400)
    over(call, "When do you close?").run_until_quiet()
    assert len([reading for reading in call.events(UsageMetered) if reading.meter == "model"]) == 2


def test_a_failure_ahead_of_the_decision_is_none() -> None:
    call = eager(call_with(Reply(fails="pipeline-error-x"), Reply("At nine."))).run(400)
    assert call.ended is None
    over(call).run_until_quiet()
    assert call.messages()[-1] == ("assistant", "At nine.")


def test_under_a_smart_plan_the_transcribers_guess_counts_for_nothing() -> None:
    plan = {"waitSeconds": 0, "smartEndpointingPlan": {"provider": "livekit"}}
    call = eager(call_with(Reply("At nine."), startSpeakingPlan=plan))
    assert not call.outputs(outputs.StartModel)


def test_the_end_of_the_call_ends_it() -> None:
    call = eager(call_with(Reply("At nine."))).run(400)
    call.feed(inputs.TransportClosed())
    call.run(1_100)
    assert call.ended == "customer-ended-call"
    assert "running" not in call.requests.values()


PAUSE = {"waitSeconds": 0, "transcriptionEndpointingPlan": {"onPunctuationSeconds": 0.4, "onNoPunctuationSeconds": 1.5}}


def ahead(*replies: Reply, **config: Any) -> Scenario:
    """A call whose transcriber gives finals only; the pause decides."""
    call = Scenario({"firstMessage": "", "startSpeakingPlan": PAUSE, **config}, thinks_ahead=True)
    call.replies = list(replies)
    return call.connect()


def asked(call: Scenario) -> list[str]:
    return [order.messages[-1]["content"] for order in call.outputs(outputs.StartModel)]


def test_the_model_thinks_while_the_pause_runs() -> None:
    call = ahead(Reply("At nine.", delay_ms=200))
    call.hear("When do you open?", final_after_ms=100)
    final_ms = call.now
    assert asked(call) == ["When do you open?"]
    assert not call.events(TurnDecided)
    call.run_until_quiet()
    decided = call.events(TurnDecided)[0].at_ms
    assert decided == final_ms + 400
    (played,) = call.times(outputs.StartPlayout)
    assert played - decided <= 100 + 1e-6, "only the voice is left to wait for"
    assert asked(call) == ["When do you open?"]
    assert call.messages()[-1] == ("assistant", "At nine.")


def test_without_it_the_model_waits_for_the_decision() -> None:
    call = Scenario({"firstMessage": "", "startSpeakingPlan": PAUSE})
    call.replies = [Reply("At nine.")]
    call.connect().hear("When do you open?")
    assert not call.outputs(outputs.StartModel)


@pytest.mark.parametrize("text", ["I would like to", "My number is 4 and", "Um", "It is for my"])
def test_words_that_go_on_are_not_answered_ahead(text: str) -> None:
    call = ahead(Reply("Yes."))
    call.hear(text)
    assert not call.outputs(outputs.StartModel)


def test_a_long_pause_is_asked_for_because_callers_go_on() -> None:
    rule = {"type": "customer", "regex": "number", "timeoutSeconds": 3}
    call = ahead(Reply("Yes."), startSpeakingPlan={**PAUSE, "customEndpointingRules": [rule]})
    call.hear("My number is up there.")
    assert not call.outputs(outputs.StartModel)


def test_what_was_prepared_is_given_up_when_the_caller_goes_on_and_only_a_few_times() -> None:
    call = ahead(*[Reply("Yes.", delay_ms=3_000)] * 6)
    for number in range(5):
        call.hear(f"Sentence number {'abcde'[number]}.", final_after_ms=0).run(100)
    assert len(call.outputs(outputs.StartModel)) == 3
    assert len(call.outputs(outputs.AbortModel)) == 3
    call.run_until_quiet()
    assert asked(call)[-1].count("Sentence") == 5
    metered = [reading for reading in call.events(UsageMetered) if reading.meter == "model"]
    assert len(metered) == len(call.outputs(outputs.StartModel)) == 4


def test_a_cough_does_not_throw_away_what_was_prepared() -> None:
    call = ahead(Reply("At nine.", delay_ms=300))
    call.hear("When do you open?")
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(60)
    call.feed(inputs.SpeechStopped(at_ms=call.now))
    call.run_until_quiet()
    assert len(call.outputs(outputs.StartModel)) == 1
    assert call.messages()[-1] == ("assistant", "At nine.")


def test_a_conversation_that_changed_meanwhile_is_asked_about_anew() -> None:
    call = ahead(Reply("At nine, alas."), Reply("At nine, hurray."))
    call.hear("When do you open?")
    news = {"role": "system", "content": "Be merry."}
    call.feed(inputs.ControlReceived(message={"type": "add-message", "message": news, "triggerResponseEnabled": False}))
    call.run_until_quiet()
    assert [len(order.messages) for order in call.outputs(outputs.StartModel)] == [1, 2]
    assert call.messages()[-1] == ("assistant", "At nine, hurray.")


def test_a_failure_ahead_is_not_tried_again_before_the_decision() -> None:
    call = ahead(Reply(fails="pipeline-error-x"), Reply("At nine."))
    call.hear("When do you open?").run(300)
    assert len(call.outputs(outputs.StartModel)) == 1
    call.run_until_quiet()
    assert call.messages()[-1] == ("assistant", "At nine.")


def test_a_tool_that_answers_by_itself_is_seen_to_in_the_step_that_takes_the_answer() -> None:
    tool = {
        "type": "transferCall",
        "function": {"name": "number"},
        "destinations": [{"type": "number", "number": "+4915"}],
    }
    reply = Reply("", calls=(RequestedTool(id="c1", name="number", arguments={}),))
    call = eager(call_with(reply, Reply("I cannot put you through."), model={"tools": [tool]})).run(400)
    assert not call.events(ToolCalled)
    over(call).run_until_quiet()
    assert [event.tool_call_id for event in call.events(ToolFailed)] == ["c1"]
    assert call.messages()[-1] == ("assistant", "I cannot put you through.")

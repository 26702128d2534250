"""When a turn is over: the order of rules and their pauses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call.events import TurnDecided
from media.machine import inputs, outputs
from media.machine.endpointing import heuristic, still_speaking
from media.machine.plan import CallPlan
from media.machine.wait_function import WaitFunction, WaitFunctionInvalid
from tests.unit.media.machine.scenario import Scenario


@pytest.mark.parametrize(
    ("text", "rule", "wait_ms"),
    [
        ("I want a table.", "punctuation", 100),
        ("Do you open today?", "punctuation", 100),
        ("well,", "punctuation", 100),
        ("I want a table", "no-punctuation", 1500),
        ("my code is 42", "number", 500),
        ("my code is 42.", "number", 500),
        ("twenty five", "number", 500),
        ("A1", "number", 500),
        ("", "inaudible", 500),
        ("明日です。", "punctuation", 100),
    ],
)
def test_heuristic(text: str, rule: str, wait_ms: float) -> None:
    assert heuristic(CallPlan.from_assistant({}), text) == (rule, wait_ms)


def decided(start: dict[str, Any], text: str, *, first: str = "") -> tuple[str, float]:
    call = Scenario({"startSpeakingPlan": start, "firstMessage": first}).connect().run_until_quiet()
    call.feed(inputs.FinalHeard(text=text))
    call.run(20_000)
    event = call.events(TurnDecided)[0]
    return event.rule, event.wait_ms


SPELL = {
    "type": "assistant",
    "regex": "(spell|account)",
    "regexOptions": [{"type": "ignore-case", "enabled": True}],
    "timeoutSeconds": 3.5,
}


def test_custom_rules_come_before_everything_else() -> None:
    smart = {"smartEndpointingPlan": {"provider": "livekit"}}
    rules = {"customEndpointingRules": [SPELL, {"type": "customer", "regex": "table", "timeoutSeconds": 2}], **smart}
    assert decided(rules, "A table.", first="Please SPELL it.") == ("custom-rule", 3500)
    assert decided(rules, "A table.", first="Hello.") == ("custom-rule", 2000)
    assert decided(rules, "A chair.", first="Hello.")[0] == "smart"


def test_both_sides_have_to_match() -> None:
    rule = {"type": "both", "assistantRegex": "name", "customerRegex": "^my", "timeoutSeconds": 1}
    rules = {"customEndpointingRules": [rule]}
    assert decided(rules, "my name is Mina.", first="Your name?") == ("custom-rule", 1000)
    assert decided(rules, "Mina.", first="Your name?")[0] == "punctuation"
    assert decided(rules, "my name is Mina.", first="Hello.")[0] == "punctuation"


@pytest.mark.parametrize(
    ("options", "text", "matches"),
    [
        ([], "TABLE", False),
        ([{"type": "ignore-case", "enabled": True}], "TABLE", True),
        ([{"type": "ignore-case", "enabled": False}], "TABLE", False),
        ([{"type": "whole-word", "enabled": True}], "tables", False),
        ([], "tables", True),
    ],
)
def test_regex_options(options: list[dict[str, Any]], text: str, matches: bool) -> None:
    rule = {"type": "customer", "regex": "table", "regexOptions": options, "timeoutSeconds": 2}
    assert (decided({"customEndpointingRules": [rule]}, text)[0] == "custom-rule") is matches


def test_a_rule_of_zero_seconds_decides_at_once() -> None:
    rule = {"type": "customer", "regex": "done", "timeoutSeconds": 0}
    call = Scenario({"startSpeakingPlan": {"customEndpointingRules": [rule]}}).connect()
    call.feed(inputs.FinalHeard(text="done"))
    assert call.phase == "THINKING"


def test_wait_function_of_the_estimate() -> None:
    start = {"smartEndpointingPlan": {"provider": "livekit", "waitFunction": "200 + 1000 * x"}}
    finished = decided(start, "I would like a table for six people tonight.")
    unfinished = decided(start, "I would like a table for six people and")
    assert finished == ("smart", pytest.approx(250))
    assert unfinished == ("smart", pytest.approx(1100))


@pytest.mark.parametrize("enabled", [True, "livekit"])
def test_the_older_switch_means_a_smart_plan(enabled: object) -> None:
    assert decided({"smartEndpointingEnabled": enabled}, "Hello there.")[0] == "smart"


def test_a_smart_plan_silences_the_transcribers_own_signal() -> None:
    call = Scenario({"startSpeakingPlan": {"smartEndpointingEnabled": True}}, native_end_of_turn=True).connect()
    call.feed(inputs.FinalHeard(text="I would like to"))
    call.feed(inputs.EndOfTurnHeard())
    assert call.phase == "ENDPOINTING"


def test_a_silent_native_transcriber_cannot_hold_the_turn_for_ever() -> None:
    call = Scenario(native_end_of_turn=True).connect()
    call.feed(inputs.FinalHeard(text="Hello"))
    call.run(5_001)
    assert [event.rule for event in call.events(TurnDecided)] == ["native-limit"]


def test_the_text_decides_an_open_turn_when_a_transcriber_without_turn_signals_takes_over() -> None:
    call = Scenario(native_end_of_turn=True).connect()
    call.feed(inputs.FinalHeard(text="Hello."))
    call.run(500)
    assert call.events(TurnDecided) == []
    call.feed(inputs.TranscriberReplaced())
    call.run(101)
    assert [event.rule for event in call.events(TurnDecided)] == ["punctuation"]


def test_turn_signals_decide_once_a_transcriber_that_gives_them_takes_over() -> None:
    call = Scenario().connect()
    call.feed(inputs.TranscriberReplaced(native_end_of_turn=True))
    call.feed(inputs.FinalHeard(text="Hello."))
    call.run(1_000)
    assert call.events(TurnDecided) == []
    call.feed(inputs.EndOfTurnHeard())
    assert [event.rule for event in call.events(TurnDecided)] == ["native"]


def test_a_smart_plan_goes_on_deciding_whoever_listens() -> None:
    smart = {"startSpeakingPlan": {"smartEndpointingEnabled": True}}
    call = Scenario(smart, native_end_of_turn=True).connect()
    call.feed(inputs.TranscriberReplaced(native_end_of_turn=True))
    call.feed(inputs.FinalHeard(text="Hello."))
    call.feed(inputs.EndOfTurnHeard())
    assert call.events(TurnDecided) == []


def test_what_was_not_understood_is_answered_without_the_wait_for_unfinished_words() -> None:
    call = Scenario().connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.run(600).feed(inputs.SpeechStopped(at_ms=600))
    call.run(100).feed(inputs.FinalHeard(text="", confidence=0.0))
    call.run(499)
    assert call.phase == "ENDPOINTING"
    call.run(2)
    assert [(event.rule, event.wait_ms) for event in call.events(TurnDecided)] == [("inaudible", 500)]


def test_not_understood_words_after_understood_ones_wait_as_those_do() -> None:
    call = Scenario().connect()
    call.feed(inputs.FinalHeard(text="I would like to book"))
    call.run(200).feed(inputs.FinalHeard(text=""))
    call.run(2_000)
    assert [event.rule for event in call.events(TurnDecided)] == ["no-punctuation"]


def late_final(text: str, *, after_ms: float, on_request: bool = True) -> Scenario:
    call = Scenario(final_on_request=on_request).connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.run(500).feed(inputs.PartialHeard(text="thank you"))
    call.run(500).feed(inputs.SpeechStopped(at_ms=1_000))
    call.run(after_ms).feed(inputs.FinalHeard(text=text))
    return call.run(1_000)


def test_partial_words_do_not_decide_while_the_final_that_was_asked_for_is_on_its_way() -> None:
    """A recogniser on a busy machine is late: what it has understood by then may be half of what was said."""
    call = late_final("Thank you goodbye.", after_ms=3_000)
    assert [(event.rule, event.at_ms) for event in call.events(TurnDecided)] == [("punctuation", 4_100)]
    assert call.outputs(outputs.StartModel)[0].messages[-1] == {"role": "user", "content": "Thank you goodbye."}


def test_a_final_that_does_not_come_leaves_it_to_the_partial_words() -> None:
    call = late_final("Thank you goodbye.", after_ms=6_000)
    decision = call.events(TurnDecided)[0]
    assert (decision.rule, decision.at_ms) == ("no-final", 6_000)


def test_a_transcriber_that_is_not_asked_for_finals_is_not_waited_for() -> None:
    call = late_final("Thank you goodbye.", after_ms=3_000, on_request=False)
    assert call.events(TurnDecided)[0].rule == "no-punctuation"


ASK = {"startSpeakingPlan": {"smartEndpointingPlan": {"provider": "custom-endpointing-model"}}}


def test_the_tenants_server_is_asked_about_each_new_text() -> None:
    call = Scenario(ASK).connect()
    call.feed(inputs.FinalHeard(text="I want"))
    call.run(300).feed(inputs.FinalHeard(text="a table"))
    first, second = call.outputs(outputs.AskEndpointing)
    assert first.ask_id != second.ask_id
    assert second.messages[-1] == {"role": "user", "content": "I want a table"}
    call.feed(inputs.EndpointingAnswered(ask_id=first.ask_id, timeout_ms=0))
    call.run(1000)
    assert call.phase == "ENDPOINTING"
    call.feed(inputs.EndpointingAnswered(ask_id=second.ask_id, timeout_ms=700))
    call.run(699)
    assert call.phase == "ENDPOINTING"
    call.run(2)
    assert call.events(TurnDecided)[0].rule == "custom-endpointing-model"


def test_a_server_that_fails_leaves_it_to_the_heuristic() -> None:
    call = Scenario(ASK).connect()
    call.feed(inputs.FinalHeard(text="I want a table."))
    call.feed(inputs.EndpointingAnswered(ask_id=1, timeout_ms=-1))
    call.run(101)
    assert call.events(TurnDecided)[0].rule == "punctuation"


def test_a_server_that_never_answers_is_not_waited_for() -> None:
    call = Scenario(ASK).connect()
    call.feed(inputs.FinalHeard(text="I want a table."))
    call.run(5_001)
    assert call.events(TurnDecided)[0].rule == "no-answer"


def test_a_partial_while_the_voice_goes_on_ends_nothing() -> None:
    call = Scenario().connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.feed(inputs.PartialHeard(text="That is all."))
    call.run(3000)
    assert call.phase == "USER_SPEAKING"


def test_a_final_while_the_voice_goes_on_starts_the_pause() -> None:
    call = Scenario().connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.feed(inputs.FinalHeard(text="That is all."))
    call.run(150)
    assert call.phase == "THINKING"


@pytest.mark.parametrize(
    ("text", "x", "t", "wait_ms"),
    [
        ("20 + 500 * sqrt(x) + 2500 * x^3", 0.25, 0, 20 + 250 + 2500 / 64),
        ("200 + 8000 * x", 0.5, 0, 4200),
        ("2000 / (1 + exp(-10 * (x - 0.5)))", 0.5, 0, 1000),
        (
            "(20 + 500 * sqrt(x) + 2500 * x^3 + 700 + 4000 * max(0, x - 0.5)) / 2",
            1,
            0,
            (20 + 500 + 2500 + 700 + 2000) / 2,
        ),
        ("700 + 4000 * max(0, x - 0.5)", 0.2, 0, 700),
        ("x > 0.5 ? 1000 : 100", 0.6, 0, 1000),
        ("x > 0.5 ? 1000 : x > 0.2 ? 500 : 100", 0.3, 0, 500),
        ("x > 0.5 ? x > 0.8 ? 3 : 2 : 1", 0.6, 0, 2),
        ("max(1, (x > (0.1 + 0.1) ? 20 : 3), 5) * 2", 0.6, 0, 40),
        ("100 * t", 0, 3, 300),
        ("-100", 0, 0, 0),
        ("-2^2 + 10", 0, 0, 6),
        ("1e9", 0, 0, 15_000),
        ("1 / x", 0, 0, None),
        ("sqrt(x - 1)", 0, 0, None),
        ("(x - 1)^0.5", 0.5, 0, None),
        ("9^9^9^9", 0, 0, None),
        ("exp(1000)", 0, 0, None),
    ],
)
def test_wait_functions(text: str, x: float, t: float, wait_ms: float | None) -> None:
    assert WaitFunction(text).wait_ms(x, t) == pytest.approx(wait_ms)


@pytest.mark.parametrize(
    "text",
    [
        "", "y", "x.real", "__import__('os')", "x = 1", "lambda: 1", "[x]", "x if x else 1", "sqrt", "sqrt()",
        "x ? 1", "x ? 1 : ", "(x", "x)", "1 < x < 2", "x ** 2", "'a'", "max(*x)", "min(x, key=x)", "x and 1", "True",
        "open(x)", "min(" * 70 + "x" + ")" * 70, "-" * 499 + "x", "x" * 501, "x # 1", "x; x", "0x10 @ x",
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(WaitFunctionInvalid):
        WaitFunction(text)


@given(st.text(alphabet="xt0123456789.+-*/^()?:<>=, sqrtmaxinep", max_size=40))
def test_any_text_is_refused_or_gives_a_wait_within_bounds(text: str) -> None:
    try:
        wait_ms = WaitFunction(text).wait_ms(0.5, 1.0)
    except WaitFunctionInvalid:
        return
    assert wait_ms is None or 0 <= wait_ms <= 15_000


@given(st.text(max_size=40))
def test_the_estimate_is_a_chance(text: str) -> None:
    assert 0 <= still_speaking(text) <= 1

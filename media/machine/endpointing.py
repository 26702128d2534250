"""Is the caller's turn over? The order of the rules: the transcriber's own signal where it decides alone, the custom
rules, the smart plan, the punctuation heuristic (Vapi's public ``startSpeakingPlan``)."""

from __future__ import annotations

import re

from msgspec.structs import replace

from media.machine import history
from media.machine.inputs import EndpointingAnswered, TranscriberReplaced
from media.machine.moment import Moment
from media.machine.outputs import AskEndpointing
from media.machine.plan import CallPlan
from media.machine.speaking_plans import words_of

TIMER = "endpoint"
NATIVE_LIMIT_MS = 5_000.0
"""Quiet that ends a turn although a transcriber with turn signals gave none."""
FINAL_LIMIT_MS = 5_000.0
"""How long a final that was asked for may take before the partial words decide."""
ASK_LIMIT_MS = 5_000.0
"""How long a tenant's endpointing server may take before the heuristic decides."""

_NUMBER_WORDS = frozenset(
    {
        *("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
        *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
        *("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million"),
    }
)
_UNFINISHED = frozenset(
    {
        *("and", "or", "but", "so", "because", "if", "when", "that", "which", "who", "the", "a", "an", "my", "your"),
        *("to", "of", "in", "on", "at", "for", "with", "from", "by", "about", "is", "are", "was", "am", "um", "uh"),
        *("er", "hmm", "like", "well", "i", "im", "its", "id", "ill", "then", "also", "want", "need"),
    }
)
_SENTENCE_END = re.compile(r"[.!?。।॥۔]\s*$")
_PAUSE = re.compile(r"[,;:，،]\s*$")
_TRAILING = re.compile(r"[\s.,;:!?\"')\]]+$")


def heuristic(plan: CallPlan, text: str) -> tuple[str, float]:
    """Rule and pause in ms for a text: numbers first, then punctuation.

    No text means that something was said and not understood, which none of the plan's rules is about. Nothing looks
    unfinished then, but it may have been a name or a code that goes on: it waits as a number does.
    """
    if not text:
        return "inaudible", plan.start.on_number_ms
    bare = _TRAILING.sub("", text)
    words = words_of(bare)
    if bare and (bare[-1].isdigit() or (words and words[-1] in _NUMBER_WORDS)):
        return "number", plan.start.on_number_ms
    if _SENTENCE_END.search(text) or _PAUSE.search(text):
        return "punctuation", plan.start.on_punctuation_ms
    return "no-punctuation", plan.start.on_no_punctuation_ms


def still_speaking(text: str) -> float:
    """A rough chance (0 to 1) that someone who has just said this goes on: an estimate from how the text ends."""
    words = words_of(text)
    if not words:
        return 0.5
    if words[-1] in _UNFINISHED or words == ("please",):
        return 0.9
    if _SENTENCE_END.search(text):
        return 0.05
    if _PAUSE.search(text):
        return 0.7
    return 0.35 if len(words) > 3 else 0.45


def watch(m: Moment, *, final: bool) -> None:
    """The words have changed, or the caller fell silent: wait again from now for the pause that ends the turn.

    While voice activity goes on, only a final fragment starts the wait: what is still being said is no pause.
    """
    user = m.state.user
    if user is None:
        return
    if m.state.user_voiced and not final:
        m.disarm(TIMER)
        return
    if not user.said_something:
        _wait(m, "no-text", m.plan.transcript_wait_ms)
        return
    start = m.plan.start
    if user.partial and m.state.final_due:
        _wait(m, "no-final", FINAL_LIMIT_MS)
        return
    if start.smart == "native":
        _wait(m, "native-limit", NATIVE_LIMIT_MS)
        return
    text = user.text
    assistant_text = history.last_assistant_text(m.state)
    for rule in start.rules:
        if rule.matches(assistant_text, text):
            _wait(m, "custom-rule", rule.timeout_ms)
            return
    if start.smart == "ask":
        m.set(ask_id=m.state.ask_id + 1)
        _wait(m, "no-answer", ASK_LIMIT_MS)
        m.emit(AskEndpointing(ask_id=m.state.ask_id, messages=_with_words(m, text)))
        return
    if start.wait_function is not None:
        wait_ms = start.wait_function.wait_ms(still_speaking(text), 0.0)
        if wait_ms is not None:
            _wait(m, "smart", wait_ms)
            return
    rule_name, wait_ms = heuristic(m.plan, text)
    _wait(m, rule_name, wait_ms)


def on_answered(m: Moment, answer: EndpointingAnswered) -> None:
    """The tenant's server has said how long to wait; older answers and failures count for nothing."""
    user = m.state.user
    if answer.ask_id != m.state.ask_id or user is None or user.decided or not m.armed(TIMER):
        return
    if answer.timeout_ms < 0:
        _wait(m, *heuristic(m.plan, user.text))
    else:
        _wait(m, "custom-endpointing-model", answer.timeout_ms)


def on_transcriber_replaced(m: Moment, replaced: TranscriberReplaced) -> None:
    """Without turn signals the text decides from now on, also about the turn that is open; with them, they do.

    A smart plan goes on deciding whoever listens."""
    start = m.plan.start
    if start.smart in ("native", "off"):
        start = replace(start, smart="native" if replaced.native_end_of_turn else "off")
    m.set(plan=replace(m.plan, start=start, final_on_request=replaced.final_on_request))
    user = m.state.user
    if user is not None and not user.decided and m.state.end_reason is None:
        watch(m, final=False)


def _wait(m: Moment, rule: str, wait_ms: float) -> None:
    m.set(endpoint_rule=rule, endpoint_wait_ms=wait_ms)
    m.arm(TIMER, m.now + wait_ms)


def _with_words(m: Moment, text: str) -> tuple[dict[str, object], ...]:
    return (*history.messages_for_model(m.state), history.spoken(m.plan, text))

"""When to speak and when to be quiet: ``startSpeakingPlan`` and ``stopSpeakingPlan``, parsed.

Defaults and ranges are those of Vapi's public assistant schema.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from domain.patterns import Pattern, PatternInvalid, pattern
from media.machine.reading import PlanInvalid, Section
from media.machine.wait_function import WaitFunction, WaitFunctionInvalid

ACKNOWLEDGEMENT_PHRASES = (
    *("i understand", "i see", "i got it", "i hear you", "im listening", "im with you", "right", "okay", "ok", "sure"),
    *("alright", "got it", "understood", "yeah", "yes", "uh-huh", "mm-hmm", "gotcha", "mhmm", "ah"),
    *("yeah okay", "yeah sure"),
)
INTERRUPTION_PHRASES = (
    *("stop", "shut", "up", "enough", "quiet", "silence", "but", "dont", "not", "no", "hold", "wait", "cut", "pause"),
    *("nope", "nah", "nevermind", "never", "bad", "actually"),
)
DEFAULT_WAIT_FUNCTION = "20 + 500 * sqrt(x) + 2500 * x^3"

_OPTIONS = {"ignore-case": "ignore_case", "multi-line": "multi_line", "whole-word": "whole_word"}
_WORD = re.compile(r"[\w-]+")
_LONGEST_SUBJECT = 1_000
"""Rules are tested against this many last characters."""


class EndpointingRule(msgspec.Struct, frozen=True, kw_only=True):
    """A custom rule: the patterns that must match, and the pause it then asks for."""

    assistant: Pattern | None = None
    customer: Pattern | None = None
    timeout_ms: float

    def matches(self, assistant_text: str, customer_text: str) -> bool:
        """JavaScript's ``RegExp.test``: a match anywhere counts."""
        tests = ((self.assistant, assistant_text), (self.customer, customer_text))
        return all(rule is None or rule.found_in(text[-_LONGEST_SUBJECT:]) for rule, text in tests)


class StartSpeaking(msgspec.Struct, frozen=True, kw_only=True):
    """``wait_ms`` separates the turn decision from the first audio at least; the rest decides when a turn is over.

    ``smart`` is ``off``, ``native`` (the transcriber decides alone), ``estimate`` (``wait_function`` of an estimate
    made from the text) or ``ask`` (a server of the tenant's answers).
    """

    wait_ms: float
    smart: Literal["off", "native", "estimate", "ask"]
    wait_function: WaitFunction | None
    rules: tuple[EndpointingRule, ...]
    on_punctuation_ms: float
    on_no_punctuation_ms: float
    on_number_ms: float


class StopSpeaking(msgspec.Struct, frozen=True, kw_only=True):
    """``num_words`` = 0: ``voice_ms`` of continuous voice activity interrupts; else that many words do."""

    num_words: int
    voice_ms: float
    backoff_ms: float
    acknowledgements: tuple[tuple[str, ...], ...]
    interruptions: tuple[tuple[str, ...], ...]


def words_of(text: str) -> tuple[str, ...]:
    """Words as phrases are compared: lower case, apostrophes removed."""
    return tuple(_WORD.findall(text.lower().replace("'", "").replace("’", "")))


def read_start_speaking(assistant: Section, *, native_end_of_turn: bool) -> StartSpeaking:
    """``startSpeakingPlan`` with the deprecated ``smartEndpointingEnabled`` and ``responseDelaySeconds`` folded in."""
    plan = assistant.section("startSpeakingPlan")
    wait_s = assistant.number("responseDelaySeconds", 0.4, 0, 5)
    text = plan.section("transcriptionEndpointingPlan")
    smart, wait_function = _smart(plan)
    return StartSpeaking(
        wait_ms=plan.number("waitSeconds", wait_s, 0, 5) * 1000,
        smart="native" if smart == "off" and native_end_of_turn else smart,
        wait_function=wait_function,
        rules=tuple(_rule(rule) for rule in plan.sections("customEndpointingRules")),
        on_punctuation_ms=text.number("onPunctuationSeconds", 0.1, 0, 3) * 1000,
        on_no_punctuation_ms=text.number("onNoPunctuationSeconds", 1.5, 0, 3) * 1000,
        on_number_ms=text.number("onNumberSeconds", 0.5, 0, 3) * 1000,
    )


def read_stop_speaking(assistant: Section, usual_words: int = 0) -> StopSpeaking:
    """``stopSpeakingPlan`` with the deprecated ``numWordsToInterruptAssistant`` folded in; an explicit empty list of
    phrases switches its test off. ``usual_words`` is ``numWords`` where the assistant has none."""
    plan = assistant.section("stopSpeakingPlan")
    num_words = assistant.number("numWordsToInterruptAssistant", usual_words, 0, 10)
    acknowledgements = plan.texts("acknowledgementPhrases") if plan.has("acknowledgementPhrases") else None
    interruptions = plan.texts("interruptionPhrases") if plan.has("interruptionPhrases") else None
    return StopSpeaking(
        num_words=int(plan.number("numWords", num_words, 0, 10)),
        voice_ms=plan.number("voiceSeconds", 0.2, 0, 0.5) * 1000,
        backoff_ms=plan.number("backoffSeconds", 1, 0, 10) * 1000,
        acknowledgements=_phrases(ACKNOWLEDGEMENT_PHRASES if acknowledgements is None else acknowledgements),
        interruptions=_phrases(INTERRUPTION_PHRASES if interruptions is None else interruptions),
    )


def _phrases(phrases: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Longest first, so that ``yeah okay`` is tried before ``yeah``."""
    return tuple(sorted({words for words in map(words_of, phrases) if words}, key=lambda words: (-len(words), words)))


def _smart(plan: Section) -> tuple[Literal["off", "estimate", "ask"], WaitFunction | None]:
    smart = plan.section("smartEndpointingPlan")
    if not smart.values:
        enabled = plan.values.get("smartEndpointingEnabled")
        if enabled not in (None, False, True, "livekit"):
            raise PlanInvalid(plan.where("smartEndpointingEnabled"), "is unknown", 'Use true, false or "livekit".')
        return ("estimate", WaitFunction(DEFAULT_WAIT_FUNCTION)) if enabled else ("off", None)
    provider = smart.choice("provider", "", ("vapi", "livekit", "custom-endpointing-model"))
    if provider == "custom-endpointing-model":
        return "ask", None
    try:
        return "estimate", WaitFunction(smart.text("waitFunction") or DEFAULT_WAIT_FUNCTION)
    except WaitFunctionInvalid as error:
        fix = "Write an expression in x and t, for example 200 + 8000 * x."
        raise PlanInvalid(smart.where("waitFunction"), str(error), fix) from error


def _rule(rule: Section) -> EndpointingRule:
    kind = rule.choice("type", "", ("assistant", "customer", "both"))
    assistant = customer = None
    if kind == "assistant":
        assistant = read_pattern(rule, "regex", "regexOptions")
    elif kind == "customer":
        customer = read_pattern(rule, "regex", "regexOptions")
    else:
        assistant = read_pattern(rule, "assistantRegex", "assistantRegexOptions")
        customer = read_pattern(rule, "customerRegex", "customerRegexOptions")
    timeout_ms = rule.number("timeoutSeconds", 0, 0, 15) * 1000
    return EndpointingRule(assistant=assistant, customer=customer, timeout_ms=timeout_ms)


def read_pattern(rule: Section, name: str, options_name: str) -> Pattern:
    """A regular expression with the options Vapi's schema knows (``ignore-case``, ``whole-word``, ``multi-line``)."""
    enabled = {
        _OPTIONS[option.choice("type", "", tuple(_OPTIONS))]: option.flag("enabled", True)
        for option in rule.sections(options_name)
    }
    try:
        return pattern(rule.text(name), **enabled)
    except PatternInvalid as error:
        raise PlanInvalid(rule.where(name), str(error), error.fix) from error

"""``hooks[]``: what happens on which occasion, parsed. Source: the hooks of Vapi's public assistant schema and
https://docs.vapi.ai/assistants/assistant-hooks

A hook of a wrong shape is left out and named, since one bad hook is no reason to refuse a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from domain.call.events import Role
from domain.call.late_templates import below
from media.machine.reading import PlanInvalid, Section
from media.machine.tool_plan import ToolPlan, read_tool

Occasion = Literal[
    "call.ending",
    "assistant.speech.interrupted",
    "customer.speech.interrupted",
    "customer.speech.timeout",
    "session.created",
    "model.response.timeout",
    "assistant.transcriber.endpointedSpeechLowConfidence",
    "call.timeElapsed",
]
CALL_ENDING: Final = "call.ending"
ASSISTANT_INTERRUPTED: Final = "assistant.speech.interrupted"
CUSTOMER_INTERRUPTED: Final = "customer.speech.interrupted"
CUSTOMER_SILENT: Final = "customer.speech.timeout"
SESSION_CREATED: Final = "session.created"
MODEL_SLOW: Final = "model.response.timeout"
LOW_CONFIDENCE: Final = "assistant.transcriber.endpointedSpeechLowConfidence"
TIME_ELAPSED: Final = "call.timeElapsed"

_OCCASIONS = (
    *(CALL_ENDING, ASSISTANT_INTERRUPTED, CUSTOMER_INTERRUPTED, CUSTOMER_SILENT, SESSION_CREATED, MODEL_SLOW),
    *(LOW_CONFIDENCE, TIME_ELAPSED),
)
_SHORTHAND = re.compile(r"([A-Za-z.]+)\[(\w+)=([0-9.:]+)\]")
_CONFIDENCE_BELOW_THRESHOLD = 0.2
_DEFAULT_THRESHOLD = 0.4
_ROLES: Final[tuple[Role | Literal["developer"], ...]] = ("system", "user", "assistant", "tool", "developer")


class Say(msgspec.Struct, frozen=True, kw_only=True):
    """One of ``exact``, or what the model makes of ``prompt`` (messages in chat completion shape)."""

    exact: tuple[str, ...] = ()
    prompt: tuple[dict[str, Any], ...] = ()


class RunTool(msgspec.Struct, frozen=True, kw_only=True):
    """Call a tool, beside the conversation."""

    tool: ToolPlan


class AddMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Put a message into the history; ``answered``: and have the model answer."""

    role: Role
    content: str
    answered: bool


Action = Say | RunTool | AddMessage


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Holds where the value at ``key`` contains one of ``one_of``, so that a family of reasons has one name."""

    key: str
    one_of: tuple[str, ...]


class HookPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One hook. ``after_ms`` and ``max_count`` belong to the occasions that are a time, the confidences to
    ``endpointedSpeechLowConfidence`` (a final between them, both included)."""

    on: str
    name: str
    actions: tuple[Action, ...]
    filters: tuple[Filter, ...] = ()
    after_ms: float = 0.0
    max_count: int = 0
    reset_on_user_speech: bool = False
    confidence_min: float = 0.0
    confidence_max: float = 1.0

    def passes(self, facts: dict[str, str]) -> bool:
        """Whether every filter holds for ``facts`` (``call.endedReason``)."""
        return all(any(part in facts.get(each.key, "") for part in each.one_of) for each in self.filters)


def read_hooks(
    assistant: Section, *, server_available: bool, late: Iterable[str]
) -> tuple[tuple[HookPlan, ...], tuple[str, ...]]:
    """The hooks in order, and what is wrong with those that were left out."""
    late = tuple(late)
    threshold = assistant.section("transcriber").values.get("confidenceThreshold")
    limit = float(threshold) if isinstance(threshold, int | float) else _DEFAULT_THRESHOLD
    hooks: list[HookPlan] = []
    problems: list[str] = []
    values = assistant.values.get("hooks")
    if not isinstance(values, list | tuple):
        return (), ("hooks is not a list",) if values else ()
    for index, value in enumerate(values):
        try:
            if not isinstance(value, dict):
                raise PlanInvalid(f"hooks[{index}]", "is not an object", "Send an object.")
            hooks.append(
                _hook(Section(value, f"hooks[{index}]"), server_available, below(late, f"hooks.{index}.do"), limit)
            )
        except PlanInvalid as error:
            problems.append(str(error))
    return tuple(hooks), tuple(problems)


def _hook(hook: Section, server_available: bool, late: tuple[str, ...], threshold: float) -> HookPlan:
    written = hook.text("on")
    short = _SHORTHAND.fullmatch(written)
    on, options = (short[1], _short_options(short)) if short else (written, hook.section("options"))
    if on not in _OCCASIONS:
        raise PlanInvalid(hook.where("on"), f"is {written!r}, which is unknown", f"Use one of {', '.join(_OCCASIONS)}.")
    after_ms = 0.0
    if on == CUSTOMER_SILENT:
        after_ms = options.number("timeoutSeconds", 7.5, 1, 1_000) * 1000
    elif on == TIME_ELAPSED:
        if not options.has("seconds"):
            raise PlanInvalid(options.where("seconds"), "is missing", "Say after how many seconds the hook fires.")
        after_ms = options.number("seconds", 0, 1, 3_600) * 1000
    highest = options.number("confidenceMax", threshold, 0, 1)
    return HookPlan(
        on=on,
        name=hook.text("name"),
        actions=tuple(
            _action(action, server_available, below(late, str(index)))
            for index, action in enumerate(hook.sections("do"))
        ),
        filters=tuple(_filter(entry) for entry in hook.sections("filters")),
        after_ms=after_ms,
        max_count=int(options.number("triggerMaxCount", 3, 1, 10)) if on == CUSTOMER_SILENT else 0,
        reset_on_user_speech=options.choice("triggerResetMode", "never", ("never", "onUserSpeech")) == "onUserSpeech",
        confidence_min=options.number("confidenceMin", max(0.0, highest - _CONFIDENCE_BELOW_THRESHOLD), 0, 1),
        confidence_max=highest,
    )


def _short_options(short: re.Match[str]) -> Section:
    """``[timeoutSeconds=10]`` and ``[confidence=0.2:0.4]`` behind an occasion's name."""
    name, value = short[2], short[3]
    try:
        if name == "confidence":
            low, _, high = value.partition(":")
            return Section({"confidenceMin": float(low), "confidenceMax": float(high)}, "on")
        return Section({name: float(value)}, "on")
    except ValueError:
        raise PlanInvalid(
            "on", f"has options that cannot be read: {value!r}", "Write a number, or two as a:b."
        ) from None


def _filter(entry: Section) -> Filter:
    entry.choice("type", "oneOf", ("oneOf",))
    return Filter(key=entry.text("key"), one_of=entry.texts("oneOf"))


def _action(action: Section, server_available: bool, late: tuple[str, ...]) -> Action:
    kind = action.choice("type", "", ("say", "tool", "message.add", "transfer", "function"))
    if kind == "say":
        return _say(action)
    if kind == "message.add":
        message = action.section("message")
        content = message.text("content")
        if not content:
            raise PlanInvalid(message.where("content"), "is missing", "Write the message's text.")
        role = message.choice("role", "system", _ROLES)
        answered = action.flag("triggerResponseEnabled", True)
        return AddMessage(role="system" if role == "developer" else role, content=content, answered=answered)
    if kind == "transfer":
        tool = Section({"type": "transferCall", "destinations": [action.section("destination").values]}, action.path)
        paths: tuple[str, ...] = ()
    elif kind == "function":
        tool, paths = action, late
    else:
        tool, paths = action.section("tool"), below(late, "tool")
    if not tool.values:
        fix = "Give a tool, or the id of one that is stored in toolId."
        raise PlanInvalid(action.where("tool"), "is missing", fix)
    plan = read_tool(tool, server_available=server_available, late=paths)
    if plan is None:
        raise PlanInvalid(action.where("tool"), "names no function that could be called", "Name one.")
    return RunTool(tool=plan)


def _say(action: Section) -> Say:
    exact = action.values.get("exact")
    texts = (exact,) if isinstance(exact, str) else action.texts("exact")
    prompt = action.values.get("prompt")
    messages: tuple[dict[str, Any], ...] = ()
    if isinstance(prompt, str) and prompt:
        messages = ({"role": "system", "content": prompt},)
    elif prompt is not None:
        messages = tuple(
            {"role": entry.choice("role", "system", _ROLES), "content": entry.text("content")}
            for entry in action.sections("prompt")
        )
    texts = tuple(text for text in texts if text.strip())
    if not texts and not messages:
        raise PlanInvalid(action.where("exact"), "is missing", "Say the words in exact, or how to find them in prompt.")
    return Say(exact=texts, prompt=messages)

"""The tools of a conversation: what the model is told of them and what is said while they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from media.machine.reading import PlanInvalid, Section
from media.machine.rejection import RejectionPlan, read_rejection

START_FILLERS = (
    "Hold on a sec.",
    "One moment.",
    "Just a sec.",
    "Give me a moment.",
    "This'll just take a sec.",
)
DELAY_FILLER = "Sorry, a few more seconds."
DEFAULT_DELAY_MS = 3_000.0
MESSAGE_SPACING_MS = 2_500.0
"""The least time between two things said about the same wait."""

Kind = Literal["function", "client", "endCall", "unsupported"]
Moment = Literal["request-start", "request-complete", "request-failed", "request-response-delayed"]
_MOMENTS: tuple[Moment, ...] = ("request-start", "request-complete", "request-failed", "request-response-delayed")
_OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte")


class Condition(msgspec.Struct, frozen=True):
    """A comparison on one argument of the call."""

    param: str
    operator: str
    value: Any

    def holds(self, arguments: Mapping[str, Any]) -> bool:
        """Numbers compare as numbers also where one side is written as text; what cannot be compared is false."""
        actual, wanted = arguments.get(self.param), self.value
        if self.operator in ("eq", "neq"):
            same = actual == wanted or _as_text(actual) == _as_text(wanted)
            return same == (self.operator == "eq")
        left, right = _as_number(actual), _as_number(wanted)
        if left is None or right is None:
            return False
        return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[self.operator]


class ToolMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Something to say (or, with role ``system``, to tell the model) at one moment of a tool call."""

    moment: Moment
    text: str
    role: str = "assistant"
    blocking: bool = False
    ends_call: bool = False
    after_ms: float = 0.0
    conditions: tuple[Condition, ...] = ()


class ToolPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One tool. ``config`` is its configuration as sent; static ``parameters`` override what the model filled in."""

    name: str
    kind: Kind
    type: str
    config: dict[str, Any]
    detached: bool = False
    messages: tuple[ToolMessage, ...] = ()
    static_arguments: dict[str, Any] = {}
    rejection: RejectionPlan = RejectionPlan()

    def at(self, moment: Moment, arguments: Mapping[str, Any]) -> tuple[ToolMessage, ...]:
        """The messages of a moment whose conditions hold; variants of each other."""
        return tuple(
            message
            for message in self.messages
            if message.moment == moment and all(condition.holds(arguments) for condition in message.conditions)
        )


def read_tools(assistant: Section, *, server_available: bool) -> dict[str, ToolPlan]:
    """The tools of ``model.tools`` by the name the model calls them; the first of a name counts.

    ``server_available`` says that a function tool without a server of its own still reaches one.
    """
    model = assistant.section("model")
    tools: dict[str, ToolPlan] = {}
    for section in model.sections("tools"):
        tool = _tool(section, server_available)
        tools.setdefault(tool.name, tool)
    if assistant.flag("endCallFunctionEnabled", False):
        tools.setdefault("endCall", _tool(Section({"type": "endCall"}, "endCallFunctionEnabled"), server_available))
    return tools


def tool_definitions(tools: Mapping[str, ToolPlan]) -> tuple[dict[str, Any], ...]:
    """The tools as a chat completion request lists them."""
    return tuple(_definition(tool) for tool in tools.values())


def read_message(values: Mapping[str, Any], path: str = "message") -> ToolMessage:
    """One entry of ``messages``; also what a tool server may send as ``results[].message``."""
    section = Section(values, path)
    moment = section.choice("type", "", _MOMENTS)
    conditions = tuple(
        Condition(entry.text("param"), entry.choice("operator", "eq", _OPERATORS), entry.values.get("value"))
        for entry in section.sections("conditions")
    )
    text = section.text("content")
    if not text:
        text = next((entry.text("text") for entry in section.sections("contents") if entry.text("text")), "")
    return ToolMessage(
        moment=moment,  # type: ignore[arg-type]  # choice() has checked it against the literal's values
        text=text,
        role=section.text("role", "assistant"),
        blocking=section.flag("blocking", False),
        ends_call=section.flag("endCallAfterSpokenEnabled", False),
        after_ms=section.number("timingMilliseconds", DEFAULT_DELAY_MS, 100, 120_000),
        conditions=conditions,
    )


def _tool(section: Section, server_available: bool) -> ToolPlan:
    kind = section.text("type", "function")
    function = section.section("function")
    name = function.text("name") or section.text("name") or kind
    if kind == "function" and not function.text("name"):
        raise PlanInvalid(section.where("function.name"), "is missing", "Name the function the model may call.")
    static = {}
    for entry in section.sections("parameters"):
        static[entry.text("key")] = entry.values.get("value")
    return ToolPlan(
        name=name,
        kind=_kind(section, kind, server_available),
        type=kind,
        config=dict(section.values),
        detached=section.flag("async", False),
        messages=_messages(section, kind),
        static_arguments=static,
        rejection=read_rejection(section),
    )


def _kind(section: Section, kind: str, server_available: bool) -> Kind:
    if kind == "endCall":
        return "endCall"
    if kind != "function":
        return "unsupported"
    reachable = server_available or bool(section.section("server").text("url"))
    return "function" if reachable else "client"


def _messages(section: Section, kind: str) -> tuple[ToolMessage, ...]:
    if section.has("messages"):
        entries = section.sections("messages")
        return tuple(read_message(entry.values, entry.path) for entry in entries)
    if kind != "function":
        return ()
    return (
        *(ToolMessage(moment="request-start", text=text) for text in START_FILLERS),
        ToolMessage(moment="request-response-delayed", text=DELAY_FILLER, after_ms=DEFAULT_DELAY_MS),
    )


def _definition(tool: ToolPlan) -> dict[str, Any]:
    function = tool.config.get("function") or {}
    if tool.kind == "endCall":
        description = function.get("description") or "Ends the call. Use it when the conversation is over."
    else:
        description = function.get("description") or ""
    definition: dict[str, Any] = {
        "name": tool.name,
        "description": description,
        "parameters": function.get("parameters") or {"type": "object", "properties": {}},
    }
    if function.get("strict") is not None:
        definition["strict"] = function["strict"]
    return {"type": "function", "function": definition}


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

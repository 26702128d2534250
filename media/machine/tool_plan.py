"""The tools of a conversation: what the model is told of them and what is said while they run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from domain.call.late_templates import below
from domain.call.tool_parameters import parameters_schema, static_parameters
from domain.knowledge import tool as knowledge
from media.machine.arguments import schema_problem, strict_schema
from media.machine.destinations import Destination, destination_function, read_destinations
from media.machine.language_plan import translations
from media.machine.reading import PlanInvalid, Section
from media.machine.rejection import RejectionPlan, read_rejection
from media.machine.tool_kinds import DESCRIPTIONS, FILLED_TYPES, PARAMETERS, SERVER_TYPES, Kind, kind_of

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
        left, right = _as_number(actual), _as_number(wanted)
        if self.operator in ("eq", "neq"):
            both_texts = isinstance(actual, str) and isinstance(wanted, str)
            alike = left is not None and left == right and not both_texts
            same = alike or actual == wanted or _as_text(actual) == _as_text(wanted)
            return same == (self.operator == "eq")
        if left is None or right is None:
            return False
        return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[self.operator]


class ToolMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Something to say (or, with role ``system``, to tell the model) at one moment of a tool call. ``translations`` are
    its texts by language, ``text`` the one where there is none."""

    moment: Moment
    text: str
    role: str = "assistant"
    blocking: bool = False
    ends_call: bool = False
    after_ms: float = 0.0
    conditions: tuple[Condition, ...] = ()
    translations: dict[str, str] = {}

    def spoken_in(self, language: str) -> ToolMessage:
        """The same in that language, where there is such a text."""
        text = self.translations.get(language)
        return self if text is None else replace(self, text=text)


class ToolPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One tool. ``config`` is its configuration as resolved; static ``parameters`` override what the model filled in.

    ``definition`` is the function as the model sees it, ``parameters`` the schema that its arguments are held against.
    ``late`` are the paths of texts in ``config`` that are rendered when the tool is called. ``destinations`` are where
    a hand-off or a transfer may go. ``problem`` says why arguments cannot be held against the schema.
    """

    name: str
    kind: Kind
    type: str
    config: dict[str, Any]
    definition: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    strict: bool = False
    detached: bool = False
    messages: tuple[ToolMessage, ...] = ()
    static_arguments: dict[str, Any] = {}
    late: tuple[str, ...] = ()
    destinations: tuple[Destination, ...] = ()
    rejection: RejectionPlan = RejectionPlan()
    problem: str = ""

    def at(self, moment: Moment, arguments: Mapping[str, Any], language: str = "") -> tuple[ToolMessage, ...]:
        """The messages of a moment whose conditions hold; variants of each other."""
        return tuple(
            message.spoken_in(language)
            for message in self.messages
            if message.moment == moment and all(condition.holds(arguments) for condition in message.conditions)
        )


def read_tools(assistant: Section, *, server_available: bool, late: Iterable[str] = ()) -> dict[str, ToolPlan]:
    """The tools of ``model.tools`` by the name the model calls them; the first of a name counts.

    ``server_available`` says that a function tool without a server of its own still reaches one. ``late`` are the
    assistant's texts that are rendered when they are used.
    """
    model = assistant.section("model")
    tools: dict[str, ToolPlan] = {}
    late = tuple(late)
    for index, section in enumerate(model.sections("tools")):
        tool = read_tool(section, server_available=server_available, late=below(late, f"model.tools.{index}"))
        if tool is not None:
            tools.setdefault(tool.name, tool)
    if assistant.flag("endCallFunctionEnabled", False):
        end_call = read_tool(Section({"type": "endCall"}, "endCallFunctionEnabled"), server_available=server_available)
        assert end_call is not None, "a tool without destinations has a name"
        tools.setdefault("endCall", end_call)
    return tools


def tool_definitions(tools: Mapping[str, ToolPlan]) -> tuple[dict[str, Any], ...]:
    """The tools as a chat completion request lists them."""
    return tuple({"type": "function", "function": tool.definition} for tool in tools.values())


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
        moment=moment,
        text=text,
        role=section.text("role", "assistant"),
        blocking=section.flag("blocking", False),
        ends_call=section.flag("endCallAfterSpokenEnabled", False),
        after_ms=section.number("timingMilliseconds", DEFAULT_DELAY_MS, 100, 120_000),
        conditions=conditions,
        translations={}
        if section.text("content")
        else translations(entry.values for entry in section.sections("contents")),
    )


def read_tool(section: Section, *, server_available: bool, late: tuple[str, ...] = ()) -> ToolPlan | None:
    """One tool's configuration. ``None`` for what is there only to be expanded into other tools (an MCP server)."""
    type = section.text("type", "function")
    function = section.section("function")
    if type == "function" and not function.text("name"):
        raise PlanInvalid(section.where("function.name"), "is missing", "Name the function the model may call.")
    if type == "mcp" and not function.text("name"):
        return None
    destinations = read_destinations(section) if type in ("handoff", "transferCall") else ()
    definition = _definition(section, type, destinations)
    schema: dict[str, Any] = definition["parameters"]
    problem = schema_problem(schema)
    strict = type in SERVER_TYPES and function.flag("strict", False)
    if strict:
        definition |= {"strict": True, "parameters": strict_schema(schema)}
    reachable = server_available or bool(section.section("server").text("url"))
    return ToolPlan(
        name=definition["name"],
        kind=kind_of(type, reachable=reachable),
        type=type,
        config=dict(section.values),
        definition=definition,
        parameters=schema,
        strict=strict,
        detached=type in ("function", "code") and section.flag("async", False),
        messages=_messages(section, type),
        static_arguments=static_parameters(section.values),
        late=late,
        destinations=destinations,
        rejection=read_rejection(section),
        problem=f"{section.where('parameters')}: {problem}" if problem else "",
    )


def _messages(section: Section, type: str) -> tuple[ToolMessage, ...]:
    if section.has("messages"):
        entries = section.sections("messages")
        return tuple(read_message(entry.values, entry.path) for entry in entries)
    if type not in FILLED_TYPES:
        return ()
    return (
        *(ToolMessage(moment="request-start", text=text) for text in START_FILLERS),
        ToolMessage(moment="request-response-delayed", text=DELAY_FILLER, after_ms=DEFAULT_DELAY_MS),
    )


def _definition(section: Section, type: str, destinations: tuple[Destination, ...]) -> dict[str, Any]:
    """The function as the model sees it: what the configuration says of it, else what its type does."""
    function = section.section("function")
    if type in knowledge.TYPES:
        return knowledge.definition(section.values)
    if type in ("handoff", "transferCall"):
        return destination_function(section, destinations)
    description = function.text("description") or section.text("description") or DESCRIPTIONS.get(type, "")
    schema = parameters_schema(section.values)
    if not schema["properties"] and type in PARAMETERS:
        schema = dict(PARAMETERS[type])
    definition: dict[str, Any] = {
        "name": function.text("name") or section.text("name") or type,
        "description": description,
        "parameters": schema,
    }
    if function.has("strict"):
        definition["strict"] = function.flag("strict", False)
    return definition


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

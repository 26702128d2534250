"""Where hand-offs and transfers may go: reading destinations, showing them to the model, choosing one of them.

The function names and shapes are those of Vapi's public handoff schema: ``handoff_to_<name>`` for one destination, one
function with an argument ``destination`` for several.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from domain.call import context_engineering
from domain.call.context_engineering import Context, read_context
from media.machine.language_plan import translations
from media.machine.reading import Section

ARGUMENT: Final = "destination"
DEFAULT_TRANSFER_MESSAGE: Final = "Transferring the call now"
FALLBACK_REASON: Final = "call.in-progress.error-transfer-failed"
_E164: Final = re.compile(r"\+[1-9]\d{1,14}")
_NUMBER: Final = re.compile(r"[+0-9*#]{3,40}")
_SIP: Final = re.compile(r"sips?:[^\s@]+@[^\s@]+|sips?:[^\s@]+", re.IGNORECASE)
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 64

Type = Literal["assistant", "squad", "dynamic", "number", "sip"]


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """``key`` is what the model calls it; ``config`` the destination as configured.

    ``message`` is said by whom the call is with before it goes; ``None`` where nothing is said about that.
    ``translations`` are its texts by language.
    """

    type: Type
    key: str
    config: dict[str, Any]
    context: Context = Context()
    message: str | None = None
    translations: dict[str, str] = {}
    description: str = ""

    @property
    def mode(self) -> str:
        """The transfer plan's mode."""
        plan = self.config.get("transferPlan")
        mode = plan.get("mode") if isinstance(plan, Mapping) else None
        return mode if isinstance(mode, str) else "blind-transfer"


class DestinationInvalid(Exception):
    """Nobody can be reached by it; the message says why."""


def read_destinations(tool: Section) -> tuple[Destination, ...]:
    """The tool's ``destinations``; those that lead nowhere are left out. Raises ``PlanInvalid`` for what is no list."""
    found = []
    for entry in tool.sections("destinations"):
        try:
            found.append(read_destination(entry.values, handoff=tool.text("type") == "handoff"))
        except DestinationInvalid:
            continue
    return tuple(found)


def read_destination(values: Any, *, handoff: bool) -> Destination:
    """One destination, configured or answered by a server. Raises ``DestinationInvalid``."""
    if not isinstance(values, Mapping):
        raise DestinationInvalid("the destination is not an object")
    kind = values.get("type")
    allowed = ("assistant", "squad", "dynamic") if handoff else ("assistant", "number", "sip")
    if kind not in allowed:
        raise DestinationInvalid(f"its type {str(kind)[:40]!r} is not one of {', '.join(allowed)}")
    key = _READERS[kind](values)
    context = read_context(values.get("contextEngineeringPlan"))
    if not handoff and kind == "assistant":
        mode = values.get("transferMode")
        context = Context(type=mode if mode in context_engineering.MODES else context_engineering.ROLLING)
    return Destination(
        type=kind,
        key=key,
        config=dict(values),
        context=context,
        message=message_text(values.get("message")),
        translations=_translations(values.get("message")),
        description=str(values.get("description") or ""),
    )


def _translations(message: Any) -> dict[str, str]:
    contents = message.get("contents") if isinstance(message, Mapping) and not message.get("content") else None
    return translations(contents if isinstance(contents, list) else ())


def message_text(message: Any) -> str | None:
    """A text, or a message object with ``content`` or ``contents`` (older servers write ``message``)."""
    if isinstance(message, str):
        return message
    if not isinstance(message, Mapping):
        return None
    for name in ("content", "message"):
        if isinstance(message.get(name), str):
            return str(message[name])
    contents = message.get("contents")
    for entry in contents if isinstance(contents, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("text"), str):
            return str(entry["text"])
    return None


def destination_function(tool: Section, destinations: Sequence[Destination]) -> dict[str, Any]:
    """The function that the model is offered; what ``tool.function`` says of it wins."""
    own = tool.section("function")
    handoff = tool.text("type") == "handoff"
    verb = "hand the conversation to" if handoff else "transfer the call to"
    lines = [f"{each.key}{f': {each.description}' if each.description else ''}" for each in destinations]
    listed = " ".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))
    description = f"Use this to {verb} whom the caller needs. {listed}".strip()
    if len(destinations) == 1 and handoff:
        description = destinations[0].description or f"Use this to {verb} {destinations[0].key}."
    return {
        "name": own.text("name") or _function_name(handoff, destinations),
        "description": own.text("description") or description,
        "parameters": dict(own.section("parameters").values) or _parameters(destinations),
    }


def choose(destinations: Sequence[Destination], arguments: Mapping[str, Any]) -> Destination | None:
    """Whom the model means: never anybody who is not among ``destinations``."""
    wanted = arguments.get(ARGUMENT)
    if isinstance(wanted, str):
        for destination in destinations:
            if wanted in (destination.key, destination.type if destination.type == "dynamic" else None):
                return destination
        return None
    return destinations[0] if len(destinations) == 1 else None


def besides_destination(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a model filled in about the conversation as it named whom to reach."""
    return {name: value for name, value in arguments.items() if name != ARGUMENT}


def _function_name(handoff: bool, destinations: Sequence[Destination]) -> str:
    if not handoff:
        return "transferCall"
    if len(destinations) == 1:
        return f"handoff_to_{_slug(destinations[0].key)}"[:_LONGEST_NAME]
    names = "_".join(_slug(each.key) for each in destinations)
    return f"handoff_to_group_{names}"[:_LONGEST_NAME] if destinations else "handoff"


def _parameters(destinations: Sequence[Destination]) -> dict[str, Any]:
    if len(destinations) < 2:
        return {"type": "object", "properties": {}}
    keys = [destination.key for destination in destinations]
    return {
        "type": "object",
        "properties": {ARGUMENT: {"type": "string", "enum": keys, "description": "Whom to reach."}},
        "required": [ARGUMENT],
    }


def _slug(name: str) -> str:
    return _NOT_IN_NAMES.sub("", name.replace(" ", "_")) or "assistant"


def _assistant(values: Mapping[str, Any]) -> str:
    inline = values.get("assistant")
    named = inline.get("name") if isinstance(inline, Mapping) else None
    for name in (values.get("assistantName"), values.get("assistantId"), named):
        if isinstance(name, str) and name:
            return name
    if isinstance(inline, Mapping):
        return "assistant"
    raise DestinationInvalid("it has none of assistantName, assistantId and assistant")


def _squad(values: Mapping[str, Any]) -> str:
    inline = values.get("squad")
    named = inline.get("name") if isinstance(inline, Mapping) else None
    for name in (values.get("squadId"), named):
        if isinstance(name, str) and name:
            return name
    if isinstance(inline, Mapping):
        return "squad"
    raise DestinationInvalid("it has neither squadId nor squad")


def _dynamic(values: Mapping[str, Any]) -> str:
    return "dynamic"


def _number(values: Mapping[str, Any]) -> str:
    number = values.get("number")
    if not isinstance(number, str):
        raise DestinationInvalid("its number is not a text")
    if values.get("numberE164CheckEnabled") is not False and not _E164.fullmatch(number):
        raise DestinationInvalid("its number is not in E.164 form, such as +14155552671")
    if not _NUMBER.fullmatch(number):
        raise DestinationInvalid("its number holds other characters than digits, +, * and #")
    return number


def _sip(values: Mapping[str, Any]) -> str:
    uri = values.get("sipUri")
    if not isinstance(uri, str) or not _SIP.fullmatch(uri):
        raise DestinationInvalid("its sipUri is not of the form sip:user@host")
    return uri


_READERS: Final = {"assistant": _assistant, "squad": _squad, "dynamic": _dynamic, "number": _number, "sip": _sip}

"""Tools as a conversation sees them: what they do in words, what they need, what to ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from media.providers.local.dialogue import values
from media.providers.local.language.spoken import identifier_words, spoken_words

SlotKind = Literal["choice", "day", "time", "number", "digits", "boolean", "name", "email", "text"]
Role = Literal["task", "end-call", "transfer"]

_LOOKUPS = frozenset(
    ("check", "get", "find", "list", "search", "look", "lookup", "query", "fetch", "show", "is", "has", "track", "read")
)
_QUESTIONS = frozenset(("query", "question", "search"))
"""Names of parameters that take a question."""
_SEARCHED = frozenset(("query", "search"))
"""Those of them that say by themselves that a tool only looks something up, whatever it is called."""
_END_CALL = re.compile(r"^(?:end|hang ?up|finish|terminate)(?: the)?(?: phone)?(?: call)?$")
_TRANSFER = re.compile(r"\b(?:transfer|hand ?off|forward|escalate)\b")
_KINDS: tuple[tuple[SlotKind, re.Pattern[str]], ...] = (
    ("email", re.compile(r"\be ?mail\b")),
    ("digits", re.compile(r"\b(?:phone|telephone|code|pin|account|reference|order number|number)\b")),
    ("day", re.compile(r"\b(?:day|date)\b")),
    ("time", re.compile(r"\b(?:time|hour)\b")),
    ("name", re.compile(r"\bname\b")),
)
_LONGEST_ACTION = 12
_NOT_A_VERB = frozenset(("this", "the", "a", "an", "use", "used", "call", "calls", "tool", "function", "it", "when"))
_UNCOUNTABLE = re.compile(r"(?:ity|ness|ance|ence|status|weather|information|info|help|time|s)$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n")
_EXAMPLES = re.compile(r",?\s*\(?(?:for example|e\.g\.|such as|in the form|format)\b.*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter of a tool. ``description`` is the schema's own, without its examples."""

    name: str
    kind: SlotKind
    required: bool
    description: str
    choices: tuple[str, ...] = ()
    format: str = ""

    def find(self, text: str, *, asked: bool) -> Any | None:
        """The value said in ``text`` (spoken words). Kinds that any words would fit count only when asked for."""
        match self.kind:
            case "choice":
                return values.find_choice(text, self.choices)
            case "day":
                return values.find_day(text)
            case "time":
                said = values.find_time(text)
                return values.clock_time(said) if said and self.format == "time" else said
            case "boolean":
                return (True if values.is_yes(text) else False if values.is_no(text) else None) if asked else None
            case "number":
                return values.find_number(text) if asked else values.find_party(text)
            case "digits":
                return values.find_digits(text) if asked else None
            case "email":
                return values.find_email(text)
            case "name":
                return values.find_name(text, asked=asked)
            case "text":
                return (values.free_text(text) or None) if asked else None


@dataclass(frozen=True, slots=True)
class Tool:
    """``action`` reads after "Shall I" and ``brief`` after "I can" (``book an appointment``). ``lookup`` tools change
    nothing and need no confirmation. ``examples`` are ways in which a caller would ask for it."""

    name: str
    role: Role
    action: str
    brief: str
    lookup: bool
    slots: tuple[Slot, ...]
    examples: tuple[str, ...]

    def slot(self, name: str) -> Slot | None:
        """The parameter of this name."""
        return next((slot for slot in self.slots if slot.name == name), None)

    @property
    def searched(self) -> Slot | None:
        """The parameter that takes the caller's question as it is, where that is all a look-up needs."""
        needed = [slot for slot in self.slots if slot.required]
        one = needed[0] if self.lookup and len(needed) == 1 else None
        return one if one is not None and one.kind == "text" and one.name in _QUESTIONS else None

    def slot_kinds(self, names: Iterable[str]) -> set[SlotKind]:
        """The kinds of these parameters."""
        return {slot.kind for name in names if (slot := self.slot(name)) is not None}

    def missing(self, known: Mapping[str, Any]) -> Slot | None:
        """The first required parameter that has no value yet."""
        return next((slot for slot in self.slots if slot.required and slot.name not in known), None)

    def find_values(self, text: str, asked: str | None) -> dict[str, Any]:
        """All values that ``text`` gives; ``asked`` is the parameter the caller was asked for."""
        found = {slot.name: slot.find(text, asked=slot.name == asked) for slot in self.slots}
        return {name: value for name, value in found.items() if value is not None}

    def begun_with(self, text: str) -> dict[str, Any]:
        """What is known when ``text`` asked for the tool: to one that searches it is the question."""
        asked = self.searched
        return {**self.find_values(text, None), **({asked.name: text} if asked is not None else {})}


def parse_tools(definitions: Iterable[Mapping[str, Any]]) -> tuple[Tool, ...]:
    """Read OpenAI-shaped tool definitions; what has no function name is left out."""
    tools = []
    for definition in definitions:
        function = definition.get("function")
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            tools.append(_tool(function))
        elif definition.get("type") == "endCall":
            tools.append(Tool("endCall", "end-call", "end the call", "end the call", False, (), ()))
    return tuple(tools)


def _tool(function: Mapping[str, Any]) -> Tool:
    name = str(function["name"])
    words = identifier_words(name)
    description = function.get("description")
    description = description if isinstance(description, str) else ""
    slots = tuple(_slots(function.get("parameters")))
    brief = _brief(words)
    verb = words.split(" ", 1)[0] if words else ""
    examples = tuple(_examples(words, description, slots))
    needed = [slot.name for slot in slots if slot.required]
    lookup = verb in _LOOKUPS or (len(needed) == 1 and needed[0] in _SEARCHED)
    return Tool(name, _role(words), _action(verb, description) or brief, brief, lookup, slots, examples)


def _role(words: str) -> Role:
    if _END_CALL.match(words):
        return "end-call"
    return "transfer" if _TRANSFER.search(words) else "task"


def _action(verb: str, description: str) -> str:
    """The first sentence of the description where it is a short order, without its examples and qualifications."""
    first = _SENTENCE_END.split(description.strip())[0].rstrip(".!") if description.strip() else ""
    opening = first.split(" ", 1)[0].lower()
    if not opening or opening in _NOT_A_VERB or len(first.split()) > _LONGEST_ACTION:
        return ""
    if opening != verb and opening.endswith("s"):
        return opening.removesuffix("s") + first[len(opening) :]
    return first[0].lower() + first[1:]


def _brief(words: str) -> str:
    """The name made into an order: ``book an appointment``."""
    verb, _, thing = words.partition(" ")
    if verb == "handoff":
        return f"hand you over {thing}".strip()
    if not thing or _UNCOUNTABLE.search(thing):
        return words
    return f"{verb} {'an' if thing[0] in 'aeiou' else 'a'} {thing}"


def _examples(words: str, description: str, slots: tuple[Slot, ...]) -> Iterable[str]:
    verb, _, thing = words.partition(" ")
    yield words
    if thing:
        yield f"i would like {thing}"
        yield thing
    for sentence in _SENTENCE_END.split(description):
        if spoken := spoken_words(sentence):
            yield spoken
    for slot in slots:
        for choice in slot.choices:
            yield f"{words} {spoken_words(choice)}"
            yield f"{verb} {spoken_words(choice)}"


def _slots(parameters: object) -> Iterable[Slot]:
    if not isinstance(parameters, Mapping) or not isinstance(properties := parameters.get("properties"), Mapping):
        return
    required = parameters.get("required")
    needed = set(required) if isinstance(required, list) else set()
    for name, schema in properties.items():
        if isinstance(schema, Mapping):
            yield _slot(str(name), schema, required=name in needed)


def _slot(name: str, schema: Mapping[str, Any], *, required: bool) -> Slot:
    described = schema.get("description")
    described = described if isinstance(described, str) else ""
    enum = schema.get("enum")
    choices = tuple(choice for choice in enum if isinstance(choice, str)) if isinstance(enum, list) else ()
    form = str(schema.get("format") or "")
    description = _EXAMPLES.sub("", _SENTENCE_END.split(described.strip())[0]).strip().rstrip(".,;:")
    return Slot(name, _kind(name, described, schema, choices, form), required, description, choices, form)


def _kind(name: str, description: str, schema: Mapping[str, Any], choices: tuple[str, ...], form: str) -> SlotKind:
    if choices:
        return "choice"
    if (kind := schema.get("type")) in ("boolean", "number", "integer"):
        return "boolean" if kind == "boolean" else "number"
    if form in ("date", "time", "email"):
        return "day" if form == "date" else "time" if form == "time" else "email"
    for text in (identifier_words(name), spoken_words(description)):
        for candidate, pattern in _KINDS:
            if pattern.search(text):
                return candidate
    return "text"

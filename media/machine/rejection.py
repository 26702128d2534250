"""``rejectionPlan``: when the conversation so far forbids a tool call that the model wants.

Patterns and groups of them as in Vapi's public tool schema. Liquid conditions are not evaluated: they count as not
met, and the plan reports them so that the call can warn.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.patterns import Pattern
from media.machine.reading import Section
from media.machine.speaking_plans import read_pattern

_LONGEST_SUBJECT = 2_000
_KINDS = ("regex", "liquid", "group")


class Said(msgspec.Struct, frozen=True):
    """A message as conditions see it."""

    role: str
    text: str


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern on one message (``position`` from the end when negative), or a group joined by AND or OR."""

    pattern: Pattern | None = None
    role: str = ""
    position: int = -1
    negate: bool = False
    any_of: bool = False
    parts: tuple[Condition, ...] = ()

    def met(self, messages: Sequence[Said]) -> bool:
        """A message that does not exist holds no match."""
        if self.pattern is None:
            join = any if self.any_of else all
            return bool(self.parts) and join(part.met(messages) for part in self.parts)
        fitting = [message.text for message in messages if self.role in ("", message.role)]
        exists = -len(fitting) <= self.position < len(fitting)
        matches = exists and self.pattern.found_in(fitting[self.position][-_LONGEST_SUBJECT:])
        return matches != self.negate


class RejectionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All ``conditions`` have to be met; none at all rejects nothing. ``ignored`` says that some are not evaluated."""

    conditions: Condition = Condition()
    ignored: bool = False


def read_rejection(tool: Section) -> RejectionPlan:
    """Raises ``PlanInvalid``."""
    entries = tool.section("rejectionPlan").sections("conditions")
    return RejectionPlan(
        conditions=Condition(parts=tuple(_condition(entry) for entry in entries)), ignored=any(map(_liquid, entries))
    )


def _condition(entry: Section) -> Condition:
    kind = entry.choice("type", "", _KINDS)
    if kind == "group":
        any_of = entry.choice("operator", "AND", ("AND", "OR")) == "OR"
        return Condition(any_of=any_of, parts=tuple(_condition(part) for part in entry.sections("conditions")))
    if kind == "liquid":
        return Condition()
    target = entry.section("target")
    return Condition(
        pattern=read_pattern(entry, "regex", "regexOptions"),
        role=target.choice("role", "", ("", "user", "assistant")),
        position=int(target.number("position", -1, -10_000, 10_000)),
        negate=entry.flag("negate", False),
    )


def _liquid(entry: Section) -> bool:
    return entry.text("type") == "liquid" or any(map(_liquid, entry.sections("conditions")))

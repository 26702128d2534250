"""``rejectionPlan``: when the conversation so far forbids a tool call that the model wants.

Patterns, Liquid conditions, and groups of them, as in Vapi's public tool schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from domain.patterns import Pattern
from domain.templates import render
from media.machine.reading import Section
from media.machine.speaking_plans import read_pattern

_LONGEST_SUBJECT = 2_000
_MOST_MESSAGES = 50
_KINDS = ("regex", "liquid", "group")


class Said(msgspec.Struct, frozen=True):
    """A message as conditions see it."""

    role: str
    text: str


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What conditions are held against. ``now_ms`` is epoch time."""

    messages: Sequence[Said] = ()
    variables: Mapping[str, Any] = {}
    now_ms: float = 0.0


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern on one message (``position`` from the end when negative), a template that renders to ``true``, or a
    group joined by AND or OR."""

    pattern: Pattern | None = None
    liquid: str = ""
    role: str = ""
    position: int = -1
    negate: bool = False
    any_of: bool = False
    parts: tuple[Condition, ...] = ()

    def met(self, situation: Situation) -> bool:
        """A message that does not exist holds no match; a template that fails is not met."""
        if self.liquid:
            return _rendered(self.liquid, situation).strip() == "true"
        if self.pattern is None:
            join = any if self.any_of else all
            return bool(self.parts) and join(part.met(situation) for part in self.parts)
        fitting = [message.text for message in situation.messages if self.role in ("", message.role)]
        exists = -len(fitting) <= self.position < len(fitting)
        matches = exists and self.pattern.found_in(fitting[self.position][-_LONGEST_SUBJECT:])
        return matches != self.negate


class RejectionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All ``conditions`` have to be met; none at all rejects nothing."""

    conditions: Condition = Condition()


def read_rejection(tool: Section) -> RejectionPlan:
    """Raises ``PlanInvalid``."""
    entries = tool.section("rejectionPlan").sections("conditions")
    return RejectionPlan(conditions=Condition(parts=tuple(_condition(entry) for entry in entries)))


def _condition(entry: Section) -> Condition:
    kind = entry.choice("type", "", _KINDS)
    if kind == "group":
        any_of = entry.choice("operator", "AND", ("AND", "OR")) == "OR"
        return Condition(any_of=any_of, parts=tuple(_condition(part) for part in entry.sections("conditions")))
    if kind == "liquid":
        return Condition(liquid=entry.text("liquid") or "false")
    target = entry.section("target")
    return Condition(
        pattern=read_pattern(entry, "regex", "regexOptions"),
        role=target.choice("role", "", ("", "user", "assistant")),
        position=int(target.number("position", -1, -10_000, 10_000)),
        negate=entry.flag("negate", False),
    )


def _rendered(template: str, situation: Situation) -> str:
    messages = [
        {"role": said.role, "content": said.text[-_LONGEST_SUBJECT:]} for said in situation.messages[-_MOST_MESSAGES:]
    ]
    variables = {**situation.variables, "messages": messages, "now": round(situation.now_ms)}
    rendered = render(template, variables, now=datetime.fromtimestamp(situation.now_ms / 1000, UTC))
    failed = any(problem.code != "template-unknown-variable" for problem in rendered.problems)
    return "" if failed else rendered.text

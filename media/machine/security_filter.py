"""``compliancePlan.securityFilterPlan``: what callers say is searched for attacks before the model reads it.

Pattern matching on each turn as a whole, nothing more: it keeps the plain cases out and cannot promise the rest. What a
model may do at all is decided where tools are let through (``tool_admission``). The kinds of filters and the modes are
those of Vapi's public assistant schema; the patterns are our own.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from domain.patterns import Pattern, PatternInvalid, pattern
from media.machine.reading import PlanInvalid, Section

Mode = Literal["sanitize", "reject", "replace"]
REPLACEMENT: Final = "[FILTERED]"
_MODES: Final[tuple[Mode, ...]] = ("sanitize", "reject", "replace")

_QUOTE = r"""['"`´’]"""
BUILT_IN: Final[dict[str, tuple[str, ...]]] = {
    "sql-injection": (
        rf"{_QUOTE}?\s*\b(?:or|and)\b\s+{_QUOTE}?(\w+){_QUOTE}?\s*(?:=|\bequals\b)\s*{_QUOTE}?\w+{_QUOTE}?(?:\s*--)?",
        r"\bunion\s+(?:all\s+)?select\b(?:\s+[\w*,. ]{1,80}\s+from\s+\w+)?",
        r"\bselect\s+(?:\*|star|all|\w+(?:\s*,\s*\w+)+)\s+from\s+\w+",
        r"\bselect\s+\w+\s+from\s+\w+\s+where\s+\w+",
        r"\b(?:drop|truncate|alter)\s+(?:table|database|schema)\s+(?:if\s+exists\s+)?\w+",
        r"\bdelete\s+from\s+\w+(?:\s+where\b.{0,80})?",
        r"\binsert\s+into\s+\w+\s*(?:\(|values\b).{0,80}",
        r"\bupdate\s+\w+\s+set\s+\w+\s*=.{0,80}",
        r"\b(?:exec|execute)\s+(?:xp|sp)_\w+",
        r"\b(?:waitfor\s+delay|pg_sleep|benchmark)\s*\(?.{0,20}",
        rf"{_QUOTE}\s*;?\s*--",
    ),
    "xss": (
        r"<\s*/?\s*(?:script|iframe|object|embed|svg|img|style|link|meta|body)\b[^>]{0,300}>?",
        r"\bjavascript\s*:\s*\S*",
        r"\bon(?:error|load|click|mouseover|focus|submit)\s*=\s*\S*",
        r"\bdata\s*:\s*text/html\S*",
        r"\bdocument\s*\.\s*(?:cookie|location|write)\S*",
    ),
    "ssrf": (
        r"\b(?:https?|ftp|gopher|file|dict|ldap)\s*:\s*//\s*(?:localhost|0\.0\.0\.0|127\.\d+\.\d+\.\d+|10\.\d+\.\d+\.\d+|"
        r"192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+|169\.254\.\d+\.\d+|\[[0-9a-f:]+\]|metadata\.\S+)\S*",
        r"\bfile\s*:\s*//\S*",
        r"\b(?:gopher|dict)\s*:\s*//\S*",
        r"\b169\.254\.169\.254\S*",
        r"\bmetadata\.google\.internal\S*",
        r"\blocalhost\s*:\s*\d{2,5}\S*",
    ),
    "rce": (
        r"\$\([^)]{1,200}\)",
        r"`[^`]{1,200}`",
        r"(?:;|\|\||&&|\|)\s*(?:rm|cat|curl|wget|nc|bash|sh|python\d?|perl|powershell|cmd)\b.{0,80}",
        r"\brm\s+-\s?(?:rf|fr|r\s+-f)\b\s*\S*",
        r"\b(?:os\s*\.\s*system|subprocess\s*\.\s*\w+|eval|exec|system|passthru|shell_exec|__import__)\s*\([^)]{0,120}\)?",
        r"\$\{\s*(?:jndi|env|sys)\s*:[^}]{0,120}\}?",
        r"/(?:etc/(?:passwd|shadow)|bin/(?:ba|z)?sh)\b",
        r"\b(?:curl|wget)\s+https?://\S+\s*\|\s*(?:ba|z)?sh\b",
    ),
    "prompt-injection": (
        r"\b(?:ignore|disregard|forget|override|bypass)\b[\w ,'’]{0,30}\b(?:previous|prior|above|earlier|preceding|all|"
        r"your|any|the)\b[\w ,'’]{0,30}\b(?:instructions?|prompts?|rules?|guidelines?|directions?|policies|policy|"
        r"restrictions?)\b",
        r"\b(?:reveal|show|print|repeat|tell|give|read)\b[\w ,'’]{0,30}\b(?:system|initial|hidden|original|secret)\s+"
        r"(?:prompt|instructions?|message)s?\b",
        r"\byou\s+are\s+(?:now|no\s+longer)\b[\w ,'’]{0,40}\b(?:mode|jailbroken|unrestricted|dan|admin\w*)\b",
        r"\b(?:enter|enable|activate|switch\s+to|in)\s+(?:developer|debug|god|admin|sudo|jailbreak|dan)\s+mode\b",
        r"\b(?:pretend|act|behave)\b[\w ,'’]{0,20}\b(?:no|without(?:\s+any)?)\s+(?:rules|restrictions|limits|"
        r"guidelines)\b",
        r"\bdo\s+anything\s+now\b",
        r"(?:^|[.!?]\s*)(?:new\s+)?system\s+(?:message|prompt|override)\s*:?.{0,80}",
        r"</?\s*(?:system|assistant|instructions?|tool_result)\s*>",
        r"<\|(?:im_start|im_end|system|assistant|endoftext)\|>",
        r"\[/?(?:INST|SYS|SYSTEM)\]",
        r"""["']role["']\s*:\s*["'](?:system|assistant|tool)["']""",
    ),
}
"""Expressions by filter type, in the syntax of ``domain.patterns``; case does not matter."""


class Filtered(msgspec.Struct, frozen=True):
    """``text`` as the model reads it; ``threats`` are the filter types that found something, in their order."""

    text: str
    threats: tuple[str, ...] = ()


class SecurityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """``searches`` are filter types with their expressions; none: nothing is searched."""

    searches: tuple[tuple[str, tuple[Pattern, ...]], ...] = ()
    mode: Mode = "sanitize"
    replacement: str = REPLACEMENT

    def applied(self, text: str) -> Filtered:
        """What is left of a text."""
        threats: list[str] = []
        left = text
        for kind, patterns in self.searches:
            for each in patterns:
                if each.found_in(left):
                    threats.append(kind)
                    left = each.replace(left, lambda _: self.replacement)
        if not threats:
            return Filtered(text)
        return Filtered(
            self.replacement if self.mode == "reject" else " ".join(left.split()), tuple(dict.fromkeys(threats))
        )


def read_security_filter(assistant: Section) -> SecurityFilter:
    """The plan; without ``filters`` all built-in ones apply, an empty list leaves none. Raises ``PlanInvalid``."""
    plan = assistant.section("compliancePlan").section("securityFilterPlan")
    if not plan.flag("enabled", False):
        return SecurityFilter()
    entries = plan.sections("filters") if plan.has("filters") else [Section({"type": kind}) for kind in BUILT_IN]
    return SecurityFilter(
        searches=tuple(_search(entry) for entry in entries),
        mode=plan.choice("mode", _MODES[0], _MODES),
        replacement=plan.text("replacementText", REPLACEMENT),
    )


def _search(entry: Section) -> tuple[str, tuple[Pattern, ...]]:
    kind = entry.choice("type", "", (*BUILT_IN, "regex"))
    if kind != "regex":
        return kind, tuple(pattern(source, ignore_case=True) for source in BUILT_IN[kind])
    try:
        return kind, (pattern(entry.text("regex")),)
    except PatternInvalid as error:
        raise PlanInvalid(entry.where("regex"), str(error), error.fix) from error

"""Liquid templates in an assistant's texts: rendered within limits, without a clock, and never fatal to a call.

The dialect is that of LiquidJS as voice platforms use it: unknown filters pass their value through, ``date`` takes a
time zone, ``json`` exists. Unknown variables become the empty string and a warning. A text that is not Liquid has its
plain ``{{name}}`` tokens filled in; one that fails while rendering stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from liquid.exceptions import LiquidError, LiquidSyntaxError, ResourceLimitError

from domain.liquid_dialect import OUTPUT_LIMIT, Rendering, dialect

SOURCE_LIMIT = 100_000
"""Characters of one template."""
MARKUP_LIMIT = 500
"""Tags and outputs in one template."""
MARKUP_LENGTH_LIMIT = 2_000
"""Characters of one tag or output."""

_MARKUP = re.compile(r"\{\{|\{%")
_CLOSING = {"{{": "}}", "{%": "%}"}
_VERBATIM_OPENED = re.compile(r"\{%-?\s*(?:raw|comment|doc)\b")
_VERBATIM_CLOSED = re.compile(r"\{%-?\s*end(?:raw|comment|doc)\b")
_MUSTACHE = re.compile(r"\{\{\s*([A-Za-z_][\w.\-]*)\s*\}\}")

ProblemCode = Literal["template-unknown-variable", "template-not-liquid", "template-failed", "template-limit-exceeded"]


class TemplateProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Something odd about one template.

    ``field`` is the wire path of the text, ``detail`` says what happened without quoting the text.
    """

    code: ProblemCode
    detail: str
    field: str = ""


class Rendered(msgspec.Struct, frozen=True):
    """The text to use, and what was odd about its template."""

    text: str
    problems: tuple[TemplateProblem, ...] = ()


def render(text: str, variables: Mapping[str, Any], *, now: datetime, field: str = "") -> Rendered:
    """``text`` with ``variables`` filled in. ``now`` is what the word "now" means to ``date``. Never raises."""
    if not _MARKUP.search(text):
        return Rendered(text)
    if len(text) > SOURCE_LIMIT or len(_MARKUP.findall(text)) > MARKUP_LIMIT:
        detail = f"A template may have {SOURCE_LIMIT} characters and {MARKUP_LIMIT} tags; it was left as written."
        return Rendered(text, (TemplateProblem(code="template-limit-exceeded", detail=detail, field=field),))
    if not _is_closed(text):
        return _mustache(text, variables, field, "a tag is never closed or too long")
    try:
        template = dialect().from_string(text)
    except LiquidSyntaxError as error:
        return _mustache(text, variables, field, _reason(error))
    except LiquidError as error:
        return _unrendered(text, "template-limit-exceeded", error, field)
    rendering = Rendering(template, globals={"today": now, "now": now, **variables}, now=now, source_length=len(text))
    try:
        output = rendering.output()
    except (ResourceLimitError, RecursionError) as error:
        return _unrendered(text, "template-limit-exceeded", error, field)
    except Exception as error:  # an interpreter over a tenant's text: whatever it raises is the text's fault
        return _unrendered(text, "template-failed", error, field)
    return Rendered(output, tuple(_unknown(name, field) for name in rendering.unknown))


def _is_closed(text: str) -> bool:
    """Whether every tag ends soon after it begins. The lexer would search to the end of the text for each that does
    not, which a hostile text could make as slow as it likes."""
    if len(_VERBATIM_OPENED.findall(text)) != len(_VERBATIM_CLOSED.findall(text)):
        return False
    at = 0
    while opening := _MARKUP.search(text, at):
        end = text.find(_CLOSING[opening[0]], opening.end(), opening.end() + MARKUP_LENGTH_LIMIT)
        if end < 0:
            return False
        at = end + 2
    return True


def _unknown(name: str, field: str) -> TemplateProblem:
    detail = f"The variable {name[:100]} has no value; it was rendered as the empty string."
    return TemplateProblem(code="template-unknown-variable", detail=detail, field=field)


def _unrendered(text: str, code: ProblemCode, error: Exception, field: str) -> Rendered:
    detail = f"{_reason(error)}; the text was left as written."
    return Rendered(text, (TemplateProblem(code=code, detail=detail, field=field),))


def _reason(error: Exception) -> str:
    """The first line alone: the following ones of python-liquid quote the template."""
    return str(error).partition("\n")[0] or type(error).__name__


def _mustache(text: str, variables: Mapping[str, Any], field: str, reason: str) -> Rendered:
    """Fill in ``{{dotted.names}}`` and leave everything else alone."""
    unknown: dict[str, None] = {}

    def fill(token: re.Match[str]) -> str:
        value: Any = variables
        for part in token[1].split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            unknown[token[1]] = None
            return ""
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    detail = f"The text is not Liquid ({reason}); only its plain {{{{name}}}} tokens were filled in."
    output = _MUSTACHE.sub(fill, text)
    if len(output.encode()) > OUTPUT_LIMIT:
        limit = f"The text would grow beyond {OUTPUT_LIMIT} bytes; it was left as written."
        return Rendered(text, (TemplateProblem(code="template-limit-exceeded", detail=limit, field=field),))
    problem = TemplateProblem(code="template-not-liquid", detail=detail, field=field)
    return Rendered(output, (problem, *(_unknown(name, field) for name in unknown)))

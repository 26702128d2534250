"""Liquid templates in an assistant's texts: rendered within limits, without a clock, and never fatal to a call.

The dialect is that of LiquidJS as voice platforms use it: unknown filters pass their value through, ``date`` takes a
time zone, ``json`` exists. Unknown variables become the empty string and a warning. A text that is not Liquid has its
plain ``{{name}}`` tokens filled in; one that fails while rendering stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, wraps
from typing import Any, Literal

import msgspec
from liquid import BoundTemplate, Environment, RenderContext, Undefined
from liquid.exceptions import (
    FilterArgumentError,
    LiquidError,
    LiquidSyntaxError,
    LoopIterationLimitError,
    ResourceLimitError,
)
from liquid.token import Token
from liquid.undefined import UNDEFINED

from domain.template_dates import format_date

SOURCE_LIMIT = 100_000
"""Characters of one template."""
MARKUP_LIMIT = 500
"""Tags and outputs in one template."""
MARKUP_LENGTH_LIMIT = 2_000
"""Characters of one tag or output."""
NESTING_LIMIT = 20
"""Blocks within blocks."""
ITERATION_LIMIT = 1_000
"""Loop rounds of one rendering, all loops together."""
WORK_LIMIT = 2_000_000
"""Characters and items that one rendering may read and write, whatever it does to them."""
OUTPUT_LIMIT = 500_000
"""Bytes of rendered text."""

_STEP_COST = 16
"""What a filter, an assignment or a look-up costs besides the characters it moves."""
_ROUND_COST = 2
"""A loop round may run the whole template: it costs one for each so many characters of it."""
_MARKUP = re.compile(r"\{\{|\{%")
_CLOSING = {"{{": "}}", "{%": "%}"}
_VERBATIM_OPENED = re.compile(r"\{%-?\s*(?:raw|comment|doc)\b")
_VERBATIM_CLOSED = re.compile(r"\{%-?\s*end(?:raw|comment|doc)\b")
_MUSTACHE = re.compile(r"\{\{\s*([A-Za-z_][\w.\-]*)\s*\}\}")
_LEFT_OUT = ("include", "render", "liquid", "tablerow")
"""Tags that load other templates, hide many statements in one, or write HTML."""

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
        template = _environment().from_string(text)
    except LiquidSyntaxError as error:
        return _mustache(text, variables, field, _reason(error))
    except LiquidError as error:
        return _unrendered(text, "template-limit-exceeded", error, field)
    context = _Context(template, globals={"today": now, "now": now, **variables}, now=now, source_length=len(text))
    try:
        output = context.output()
    except (ResourceLimitError, RecursionError) as error:
        return _unrendered(text, "template-limit-exceeded", error, field)
    except (
        Exception
    ) as error:  # a third party's interpreter over a tenant's text: whatever it raises is the text's fault
        return _unrendered(text, "template-failed", error, field)
    return Rendered(output, tuple(_unknown(name, field) for name in context.unknown))


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


class _Unknown(Undefined):
    """A variable without a value. It tells its rendering only when it is written out, not when it is tested for."""

    __slots__ = ("path", "report")
    path: str
    report: dict[str, None]

    def __str__(self) -> str:
        if hasattr(self, "report"):
            self.report[self.path] = None
        return ""


class _Context(RenderContext):
    """One rendering: what "now" is, which unknown variables were written out, and what it may still spend."""

    __slots__ = ("iterations", "now", "source_length", "unknown", "work")

    def __init__(
        self, template: BoundTemplate, *, globals: Mapping[str, object], now: datetime, source_length: int
    ) -> None:
        super().__init__(template, globals=globals)
        self.now = now
        self.source_length = source_length
        self.unknown: dict[str, None] = {}
        self.iterations = 0
        self.work = 0

    def output(self) -> str:
        buffer = self.template._get_buffer()
        self.template.render_with_context(self, buffer)
        return buffer.getvalue()

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        self.spend(_STEP_COST)
        value = super().get(path, token=token, default=default)
        if isinstance(value, _Unknown):
            value.path = ".".join(str(part) for part in path)
            value.report = self.unknown
        return value

    def assign(self, key: str, val: Any) -> None:
        self.spend(_STEP_COST + _size(val))
        self.locals[key] = val

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.iterations += length
        self.spend(length * self.source_length // _ROUND_COST)
        if self.iterations > ITERATION_LIMIT:
            raise LoopIterationLimitError(f"more than {ITERATION_LIMIT} loop rounds", token=None)

    def spend(self, amount: int) -> None:
        self.work += amount
        if self.work > WORK_LIMIT:
            raise ResourceLimitError("there is more to do than a template may ask", token=None)


class _Environment(Environment):
    block_nesting_limit = NESTING_LIMIT
    context_depth_limit = NESTING_LIMIT + 2
    output_stream_limit = OUTPUT_LIMIT


@cache
def _environment() -> Environment:
    environment = _Environment(undefined=_Unknown, strict_filters=False)
    for tag in _LEFT_OUT:
        environment.tags.pop(tag, None)
    environment.filters["json"] = _json
    for name, filter_function in list(environment.filters.items()):
        environment.filters[name] = _limited(filter_function, _GROWTH.get(name))
    environment.filters["date"] = _date
    return environment


def _limited(
    filter_function: Callable[..., Any], growth: Callable[[Any, Sequence[Any]], int] | None
) -> Callable[..., Any]:
    """``filter_function``, paying for what it reads and writes; ``growth`` says beforehand how much that may become."""
    wants_context = getattr(filter_function, "with_context", False)

    @wraps(filter_function)
    def limited(value: Any, *arguments: Any, context: _Context, **options: Any) -> Any:
        context.spend(_STEP_COST + _size(value) + sum(_size(argument) for argument in arguments))
        if growth is not None:
            context.spend(growth(value, arguments))
        if wants_context:
            options["context"] = context
        result = filter_function(value, *arguments, **options)
        context.spend(_size(result))
        return result

    limited.with_context = True  # type: ignore[attr-defined]  # how python-liquid marks filters that want the context
    return limited


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(len(item) if isinstance(item, str) else 1 for item in value)
    if isinstance(value, range):
        return len(value)
    if isinstance(value, int):
        return value.bit_length() // 8
    return 1


def _replaced(value: Any, arguments: Sequence[Any]) -> int:
    old, new = (str(argument) for argument in (*arguments, "", "")[:2])
    text = str(value)
    return (text.count(old) if old else len(text) + 1) * len(new)


def _joined(value: Any, arguments: Sequence[Any]) -> int:
    separator = str(arguments[0]) if arguments else " "
    return len(value) * len(separator) if isinstance(value, list | tuple) else 0


def _multiplied(value: Any, arguments: Sequence[Any]) -> int:
    """Long multiplication: every word of one factor with every word of the other."""
    return _size(value) * sum(_size(argument) for argument in arguments) // 8


def _scanned(value: Any, _arguments: Sequence[Any]) -> int:
    """An unclosed tag makes the search for its end start again at every opening one."""
    text = str(value)
    return text.count("<") * len(text) // 50


_GROWTH: dict[str, Callable[[Any, Sequence[Any]], int]] = {
    "replace": _replaced,
    "join": _joined,
    "times": _multiplied,
    "strip_html": _scanned,
}


def _json(value: Any) -> str:
    if isinstance(value, Undefined):
        return "null"
    return msgspec.json.encode(value).decode()


def _date(value: Any, pattern: Any = "", zone: Any = None, *, context: _Context) -> str:
    if isinstance(value, Undefined) or value is None:
        return str(value or "")
    context.spend(_STEP_COST + _size(value) + 20 * _size(pattern))
    try:
        return format_date(value, str(pattern), zone, now=context.now.astimezone(UTC))
    except ValueError as error:
        raise FilterArgumentError(str(error), token=None) from error


_date.with_context = True  # type: ignore[attr-defined]  # how python-liquid marks filters that want the context

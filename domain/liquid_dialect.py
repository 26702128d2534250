"""The Liquid dialect of templates, and what one rendering may spend.

python-liquid limits output, nesting and loop rounds; a hostile text still finds seconds of work or gigabytes between
those (ranges made into lists, numbers squared in a row, thousands of variables). So every rendering here has one budget
that look-ups, assignments, loop rounds and filters draw from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, wraps
from typing import Any

import msgspec
from liquid import BoundTemplate, Environment, RenderContext, Undefined
from liquid.exceptions import FilterArgumentError, LoopIterationLimitError, ResourceLimitError
from liquid.output import LimitedStringIO
from liquid.token import Token
from liquid.undefined import UNDEFINED

from domain.template_dates import format_date

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
_LEFT_OUT = ("include", "render", "liquid", "tablerow")
"""Tags that load other templates, hide many statements in one, or write HTML."""


class _Unknown(Undefined):
    """A variable without a value. It tells its rendering only when it is written out, not when it is tested for."""

    __slots__ = ("path", "report")
    path: str
    report: dict[str, None]

    def __str__(self) -> str:
        if hasattr(self, "report"):
            self.report[self.path] = None
        return ""


class Rendering(RenderContext):
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
        """The rendered text. Raises what python-liquid raises, its limits included."""
        buffer = LimitedStringIO(limit=OUTPUT_LIMIT)
        self.template.render_with_context(self, buffer)
        return buffer.getvalue()

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        """Look a variable up; one without a value remembers where it was asked for."""
        self.spend(_STEP_COST)
        value = super().get(path, token=token, default=default)
        if isinstance(value, _Unknown):
            value.path = ".".join(str(part) for part in path)
            value.report = self.unknown
        return value

    def assign(self, key: str, val: Any) -> None:
        """Keep a value under a name, paying for its size."""
        self.spend(_STEP_COST + _size(val))
        self.locals[key] = val

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Called before each loop with its number of rounds."""
        self.iterations += length
        self.spend(length * self.source_length // _ROUND_COST)
        if self.iterations > ITERATION_LIMIT:
            raise LoopIterationLimitError(f"more than {ITERATION_LIMIT} loop rounds", token=None)

    def spend(self, amount: int) -> None:
        """Draw from the budget. Raises ``ResourceLimitError`` when it is used up."""
        self.work += amount
        if self.work > WORK_LIMIT:
            raise ResourceLimitError("there is more to do than a template may ask", token=None)


class _Environment(Environment):
    block_nesting_limit = NESTING_LIMIT
    context_depth_limit = NESTING_LIMIT + 2
    output_stream_limit = OUTPUT_LIMIT


@cache
def dialect() -> Environment:
    """The interpreter of every template: built once, holding no state of any rendering."""
    environment = _Environment(undefined=_Unknown, strict_filters=False)
    for tag in _LEFT_OUT:
        environment.tags.pop(tag, None)
    environment.filters["json"] = _json
    environment.filters["last"] = _last
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
    def limited(value: Any, *arguments: Any, context: Rendering, **options: Any) -> Any:
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


def _last(value: Any, count: Any = None) -> Any:
    """The last item, or with a count the last so many as a list, as conditions on messages are written."""
    if isinstance(value, Undefined) or not isinstance(value, Sequence) or not value:
        return value if isinstance(value, Undefined) else None
    if count is None:
        return value[-1]
    return list(value[-int(count) :]) if isinstance(count, int) and count > 0 else []


def _json(value: Any) -> str:
    if isinstance(value, Undefined):
        return "null"
    return msgspec.json.encode(value).decode()


def _date(value: Any, pattern: Any = "", zone: Any = None, *, context: Rendering) -> str:
    if isinstance(value, Undefined) or value is None:
        return str(value or "")
    context.spend(_STEP_COST + _size(value) + 20 * _size(pattern))
    try:
        return format_date(value, str(pattern), zone, now=context.now.astimezone(UTC))
    except ValueError as error:
        raise FilterArgumentError(str(error), token=None) from error


_date.with_context = True  # type: ignore[attr-defined]  # how python-liquid marks filters that want the context

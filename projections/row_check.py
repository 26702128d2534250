"""Whether rows fit their table: their numbers before an insert, everything else when it was refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from math import isfinite
from operator import itemgetter
from typing import Any

from projections.table import Column, Row, Table

_WRAPPED = re.compile(r"^(LowCardinality|Nullable)\((.*)\)$")


def numbers_fit(table: Table, rows: Sequence[Row]) -> bool:
    """Whether every number is one and within its column's range.

    The engine would not say: it stores a number that is too large without its upper bits, and takes a missing one, and
    one that JSON cannot say (infinity), for 0 or null. All else that does not fit it refuses.
    """
    try:
        return all(fit(map(value, rows)) for value, fit in _checks(table.columns))
    except TypeError:
        return False


def problem(table: Table, row: Row) -> str | None:
    """What is wrong with the row, naming table and column, or ``None``. Never shows the value itself."""
    if len(row) != len(table.columns):
        return f"{table.name} has {len(table.columns)} columns, the row {len(row)} values"
    for column, value in zip(table.columns, row, strict=True):
        if not _fits(column.type, value):
            return f"{table.name}.{column.name} takes {column.type}, not this {type(value).__name__}"
    return None


def _fits(column_type: str, value: Any) -> bool:
    plain, nullable = _plain(column_type)
    return nullable if value is None else _CHECKS[plain](value)


def _plain(column_type: str) -> tuple[str, bool]:
    """The type without wrappers and parameters, and whether it takes nulls."""
    nullable = False
    while wrapped := _WRAPPED.match(column_type):
        nullable = nullable or wrapped[1] == "Nullable"
        column_type = wrapped[2]
    return column_type.partition("(")[0], nullable


_Fit = Callable[[Iterable[Any]], bool]


@cache
def _checks(columns: tuple[Column, ...]) -> tuple[tuple[Callable[[Row], Any], _Fit], ...]:
    """How to pick the values of each column that is to be looked at, and what to ask of all of them together."""
    types = [_plain(column.type) for column in columns]
    return tuple(
        (itemgetter(index), check)
        for index, (plain, nullable) in enumerate(types)
        if (check := _together(plain, nullable)) is not None
    )


def _together(plain: str, nullable: bool) -> _Fit | None:
    if plain == "Float64":
        return (lambda values: _finite_sum(filter(None, values))) if nullable else _finite_sum
    limit = _LIMITS.get(plain)
    if limit is None:
        return None
    # With the nulls fall out zeros, which are within every range.
    return (
        (lambda values: max(filter(None, values), default=0) < limit)
        if nullable
        else (lambda values: max(values) < limit)
    )


def _finite_sum(values: Iterable[Any]) -> bool:
    """Infinities and what is not a number show in the sum of all; what was measured never adds up to one."""
    return isfinite(sum(values))


def _text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _unsigned(bits: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << bits


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _texts_by_text(value: Any) -> bool:
    return isinstance(value, dict) and all(_text(key) and _text(item) for key, item in value.items())


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "String": _text,
    "Bool": lambda value: isinstance(value, bool),
    "Float64": _finite,
    "UInt16": _unsigned(16),
    "UInt32": _unsigned(32),
    "UInt64": _unsigned(64),
    "DateTime64": lambda value: isinstance(value, datetime) and value.tzinfo is not None,
    "Map": _texts_by_text,
}

_LIMITS = {"UInt16": 1 << 16, "UInt32": 1 << 32, "UInt64": 1 << 64}

"""Which row does not fit its table, and why: looked for when rows could not be written or were refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from math import isfinite
from typing import Any

from projections.native_format import plain
from projections.table import Row, Table


def problem(table: Table, row: Row) -> str | None:
    """What is wrong with the row, naming table and column, or ``None``. Never shows the value itself."""
    if len(row) != len(table.columns):
        return f"{table.name} has {len(table.columns)} columns, the row {len(row)} values"
    for column, value in zip(table.columns, row, strict=True):
        if not _fits(column.type, value):
            return f"{table.name}.{column.name} takes {column.type}, not this {type(value).__name__}"
    return None


def _fits(column_type: str, value: Any) -> bool:
    bare, nullable, _ = plain(column_type)
    return nullable if value is None else _CHECKS[bare.partition("(")[0]](value)


def _text(value: Any) -> bool:
    if isinstance(value, bytes):
        return True
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _unsigned(bits: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and 0 <= value < 1 << bits


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and isfinite(value)


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

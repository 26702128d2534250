"""Rows as the engine reads them: JSON arrays, one a line.

Handing columns to the client cost three times as much processor time under the interpreter's lock. This the engine
reads on a thread of its own, while the next batch is folded, and another process can prepare it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from domain.processing import EncodedRows, Rows
from projections.row_check import numbers_fit
from projections.table import Row, Table
from projections.tables.catalogue import BY_NAME

ORDINAL = 2
"""Where every row holds the number of its event."""

FORMAT = "JSONCompactEachRow"

SETTINGS: Mapping[str, Any] = {
    "date_time_input_format": "best_effort",
    "input_format_null_as_default": 0,
    "input_format_json_read_bools_as_numbers": 0,
    "input_format_json_read_bools_as_strings": 0,
    "input_format_json_read_numbers_as_strings": 0,
    "input_format_json_read_objects_as_strings": 0,
    "input_format_json_read_arrays_as_strings": 0,
    "input_format_parallel_parsing": 0,
}
"""How the engine reads them: times as ISO 8601, no value as one of another type, and on one thread: several took a
twelfth more processor time, and the next batch is folded meanwhile anyway."""

_encode_lines = msgspec.json.Encoder().encode_lines


def encode(table: Table, rows: Sequence[Row]) -> bytes:
    """The rows as the engine reads them. Raises ``ValueError``, ``TypeError`` for what no column could hold."""
    if not numbers_fit(table, rows):
        raise ValueError(f"a number is out of the range of its column in {table.name}")
    return _encode_lines(rows)


def encode_rows(rows: Iterable[Rows]) -> dict[str, EncodedRows]:
    """The rows of a range by table, where there are any. Raises what ``encode`` raises."""
    return {
        name: EncodedRows(encode(BY_NAME[name], of_table), of_table[-1][ORDINAL], len(of_table))
        for name, of_table in by_table(rows).items()
        if of_table
    }


def by_table(rows: Iterable[Rows]) -> dict[str, list[Row]]:
    """Rows of the same table together, in the order they came."""
    found: dict[str, list[Row]] = defaultdict(list)
    for part in rows:
        found[part.table].extend(part.rows)
    return found

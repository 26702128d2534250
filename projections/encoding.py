"""Rows as the engine reads them: blocks of its Native format, which another process can prepare.

The engine reads them on threads of its own, without the interpreter's lock, while the next batch is folded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from domain.processing import EncodedRows, Rows
from projections.native_format import block
from projections.table import Row, Table
from projections.tables.catalogue import BY_NAME

ORDINAL = 2
"""Where every row holds the number of its event."""

FORMAT = "Native"


def encode(table: Table, rows: Sequence[Row]) -> bytes:
    """The rows as the engine reads them. Raises ``ValueError``, ``TypeError`` for what no column could hold."""
    return block(table.columns, rows)


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

"""What a projection table is: columns with meanings, a sort order, and the view that analysts read it through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

SETTINGS = "non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1"
"""The tokens of the last thousand inserts are remembered, so that one sent again lands once; and an insert is on
the disk when it returns (about 3 ms each), so that a power cut cannot take a range from one table only."""

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """``type`` is a ClickHouse type; ``comment`` says what the values mean and in which unit, for analysts."""

    name: str
    type: str
    comment: str

    @property
    def ddl(self) -> str:
        return f"`{self.name}` {self.type} COMMENT {quoted(self.comment)}"


@dataclass(frozen=True)
class Table:
    """One append-only MergeTree table of a projection, at one version of its shape.

    Rows are never changed in place: a later fact about the same thing is a later row, and ``view`` shows what is
    true now under the plain name. A different shape is a new ``version``: a new physical table, filled from the
    log beside the old one until the view is pointed at it.
    """

    name: str
    version: int
    comment: str
    columns: tuple[Column, ...]
    order_by: tuple[str, ...]
    view: str
    """SELECT of the view, with ``{source}`` for the physical table (and ``{calls}`` for that of the calls)."""
    shown: tuple[Column, ...] = ()
    """Columns of the view in the order of its SELECT; empty where they are those of the table."""
    indexes: tuple[str, ...] = ()

    @property
    def physical(self) -> str:
        return f"{self.name}_v{self.version}"

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def create_sql(self, physical: str | None = None) -> str:
        """The CREATE TABLE statement, one column a line."""
        lines = [*(column.ddl for column in self.columns), *(f"INDEX {index}" for index in self.indexes)]
        return (
            f"CREATE TABLE {physical or self.physical}\n(\n    "
            + ",\n    ".join(lines)
            + f"\n)\nENGINE = MergeTree\nORDER BY ({', '.join(self.order_by)})\n"
            + f"SETTINGS {SETTINGS}\n"
            + f"COMMENT {quoted(self.comment)}"
        )

    def view_sql(self, *, calls: str, name: str | None = None) -> str:
        """The CREATE OR REPLACE VIEW statement that lets the plain name, or ``name``, show this version's table.

        ``calls`` is the physical table of the calls. While the statement replaces a view there is a moment without.
        """
        select = self.view.replace("{source}", self.physical).replace("{calls}", calls)
        columns = ",\n    ".join(column.ddl for column in self.shown or self.columns)
        return f"CREATE OR REPLACE VIEW {name or self.name}\n(\n    {columns}\n)\nAS {select}"


def quoted(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

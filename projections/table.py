"""What a projection table is: columns with meanings, a sort order, and the view that analysts read it through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

SETTINGS = "non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1"
"""The tokens of the last thousand inserts are remembered, so that one sent again lands once; and an insert is on
the disk when it returns (about 3 ms each), so that a power cut cannot take a range from one table only."""

Row = tuple[Any, ...]
"""Values in the order of the columns. A text may be bytes of UTF-8, then in all rows of its column."""


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
    """SELECT of the view, with ``{source}`` for the physical table, ``{newest}`` for its newest rows where they are
    kept, and ``{deleted_calls}`` for the physical table of the calls that were deleted."""
    shown: tuple[Column, ...] = ()
    """Columns of the view in the order of its SELECT; empty where they are those of the table."""
    indexes: tuple[str, ...] = ()
    engine: str = "MergeTree"
    partition_by: str = ""
    newest: tuple[str, ...] = ()
    """The sort order of a second table that keeps only the newest row of each such key, so that reading what is true
    now needs no folding. None is kept where this is empty."""

    @property
    def physical(self) -> str:
        return f"{self.name}_v{self.version}"

    @property
    def newest_rows(self) -> str:
        """The physical table of the newest rows."""
        return f"{self.physical}_newest"

    def names(self, suffix: str = "") -> tuple[str, ...]:
        """The physical tables that rows are written to, ``suffix`` behind each."""
        return (self.physical + suffix, *((self.newest_rows + suffix,) if self.newest else ()))

    @property
    def one_row_a_key(self) -> bool:
        """Whether the engine keeps one of several rows with the same sort key, sooner or later."""
        return self.engine.startswith("Replacing")

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def create_sql(self, physical: str | None = None) -> str:
        """The CREATE TABLE statement, one column a line."""
        return self._create_sql(physical or self.physical, self.engine, self.order_by, self.comment)

    def create_statements(self, suffix: str = "") -> tuple[str, ...]:
        """A CREATE TABLE statement for each of ``names``."""
        main = self.create_sql(self.physical + suffix)
        if not self.newest:
            return (main,)
        name, engine = self.newest_rows + suffix, "ReplacingMergeTree(log_ordinal)"
        return (main, self._create_sql(name, engine, self.newest, f"Of {self.name}: the newest row of each"))

    def _create_sql(self, name: str, engine: str, order_by: tuple[str, ...], comment: str) -> str:
        lines = [*(column.ddl for column in self.columns), *(f"INDEX {index}" for index in self.indexes)]
        return (
            f"CREATE TABLE {name}\n(\n    "
            + ",\n    ".join(lines)
            + f"\n)\nENGINE = {engine}\n"
            + (f"PARTITION BY {self.partition_by}\n" if self.partition_by else "")
            + f"ORDER BY ({', '.join(order_by)})\n"
            + f"SETTINGS {SETTINGS}\n"
            + f"COMMENT {quoted(comment)}"
        )

    def view_sql(self, *, deleted_calls: str, name: str | None = None) -> str:
        """The CREATE OR REPLACE VIEW statement that lets the plain name, or ``name``, show this version's table.

        ``deleted_calls`` is the physical table of the calls that were deleted. While the statement replaces a view
        there is a moment without.
        """
        select = self.view.replace("{source}", self.physical).replace("{newest}", self.newest_rows)
        select = select.replace("{deleted_calls}", deleted_calls)
        columns = ",\n    ".join(column.ddl for column in self.shown or self.columns)
        return f"CREATE OR REPLACE VIEW {name or self.name}\n(\n    {columns}\n)\nAS {select}"


@dataclass(frozen=True)
class View:
    """A plain name for a part of another view, with columns documented as those of a table are."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    select: str

    def create_sql(self) -> str:
        """The CREATE OR REPLACE VIEW statement."""
        columns = ",\n    ".join(column.ddl for column in self.columns)
        return f"CREATE OR REPLACE VIEW {self.name}\n(\n    {columns}\n)\nAS {self.select}"


def quoted(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

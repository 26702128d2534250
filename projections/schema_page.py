"""The tables as analysts see them, as a page of Markdown: ``python -m projections.schema_page > docs/schema.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from projections.table import Column, Table, View
from projections.tables import fragments
from projections.tables.catalogue import TABLES

INTRODUCTION = """\
# Tables

<!-- Made by `python -m projections.schema_page > docs/schema.md` from the comments of the columns; a test compares. -->

What happened is on the log; these tables are folds of it for questions in SQL, and can be made again from it at any
time (`callfold rebuild`). Ask them with `callfold sql`; [analytics.md](analytics.md) has examples. A new row can be
read within half a second of its event.

Each name below is a view that shows what is true now, without deleted calls (`events` shows everything). The rows
themselves stand in the table named beside it, which is only ever appended to; its number rises when its shape
changes. Every row names its organisation and, in `log_shard` and `log_ordinal`, the newest event behind it. Times are
UTC; columns ending in `_ms` count milliseconds, and those on a call's own clock count from the moment that a process
claimed the call.
"""


def page(tables: Sequence[Table] = (*TABLES, fragments.TABLE), views: Sequence[View] = fragments.VIEWS) -> str:
    """The whole page: one section a table or view, one line a column."""
    sections = [*(_section(table) for table in tables), *(_view_section(view) for view in views)]
    return "\n".join([INTRODUCTION, *("\n".join(section) for section in sections)])


def _section(table: Table) -> Iterator[str]:
    yield f"## {table.name}\n"
    yield f"{table.comment}. Rows in `{table.physical}`, sorted by `{', '.join(table.order_by)}`.\n"
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in table.shown or table.columns:
        yield _line(column)
    yield ""


def _view_section(view: View) -> Iterator[str]:
    yield f"## {view.name}\n"
    yield f"{view.comment}. A part of `fragments`.\n"
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in view.columns:
        yield _line(column)
    yield ""


def _line(column: Column) -> str:
    return f"| `{column.name}` | `{column.type}` | {column.comment.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    sys.stdout.write(page())

"""Given the table definitions, then docs/schema.md shows them as they are."""

from __future__ import annotations

from pathlib import Path

from projections import schema_page
from projections.table import Column, Table
from projections.tables.catalogue import TABLES

PAGE = Path(__file__).parents[3] / "docs" / "schema.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == schema_page.page(), (
        "run: python -m projections.schema_page > docs/schema.md"
    )


def test_every_table_and_shown_column_stands_on_it() -> None:
    text = schema_page.page()
    for table in TABLES:
        section = text.partition(f"\n## {table.name}\n")[2].partition("\n## ")[0]
        assert f"`{table.physical}`" in section
        assert section.count("\n| `") == len(table.shown or table.columns)


def test_a_bar_in_a_meaning_does_not_end_its_cell() -> None:
    table = Table("notes", 1, "Notes", (Column("kind", "String", "a | b"),), ("kind",), "SELECT * FROM {source}")
    assert "| `kind` | `String` | a \\| b |" in schema_page.page([table])

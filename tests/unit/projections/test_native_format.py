"""Rows in the engine's own format: what is read back is what was written, and what no column could hold is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.native_format import block
from projections.store import AnalyticsStore
from projections.table import Column

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
moments = st.datetimes(datetime(1960, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
whole_seconds = moments.map(lambda moment: moment.replace(microsecond=0))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "String": texts,
    "LowCardinality(String)": st.sampled_from(["", "a", "ä" * 200]),
    "Nullable(String)": st.none() | texts,
    "LowCardinality(Nullable(String))": st.none() | st.sampled_from(["", "b"]),
    "Float64": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "Nullable(Float64)": st.none() | st.floats(-1e6, 1e6),
    "UInt16": st.integers(0, (1 << 16) - 1),
    "UInt32": st.integers(0, (1 << 32) - 1),
    "Nullable(UInt32)": st.none() | st.integers(0, (1 << 32) - 1),
    "UInt64": st.integers(0, (1 << 64) - 1),
    "Bool": st.booleans(),
    "DateTime64(6, 'UTC')": moments | whole_seconds,
    "Nullable(DateTime64(6, 'UTC'))": st.none() | moments,
    "Map(String, String)": st.dictionaries(texts, texts, max_size=3),
}
COLUMNS = tuple(Column(f"c{number}", column_type, "") for number, column_type in enumerate(VALUES))
NAMES = [column.name for column in COLUMNS]


@pytest.fixture
def notes(store: AnalyticsStore) -> Iterator[AnalyticsStore]:
    columns = ", ".join(f"{column.name} {column.type}" for column in COLUMNS)
    store.client().command(f"CREATE TABLE notes (n UInt16, {columns}) ENGINE = Memory")
    yield store
    store.client().command("DROP TABLE notes")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*VALUES.values()), min_size=1, max_size=20))
def test_what_is_read_back_is_what_was_written(notes: AnalyticsStore, rows: list[tuple[Any, ...]]) -> None:
    numbered = [(number, *row) for number, row in enumerate(rows)]
    half = len(rows) // 2
    columns = (Column("n", "UInt16", ""), *COLUMNS)
    client = notes.client()
    client.command("TRUNCATE TABLE notes")
    client.raw_insert(
        "notes", ["n", *NAMES], block(columns, numbered[:half]) + block(columns, numbered[half:]), fmt="Native"
    )
    found = client.query(f"SELECT {', '.join(NAMES)} FROM notes ORDER BY n").result_rows
    assert [tuple(row) for row in found] == rows


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    column = (Column("at", "DateTime64(6, 'UTC')", ""),)
    here = datetime(2026, 11, 21, 9, 0, 0, 5, tzinfo=UTC)
    assert block(column, [(here,)]) == block(column, [(here.astimezone(timezone(timedelta(hours=5))),)])


@pytest.mark.parametrize(
    ("column_type", "value"),
    [
        ("UInt16", 1 << 16),
        ("UInt64", -1),
        ("UInt32", "1"),
        ("UInt32", None),
        ("Float64", float("inf")),
        ("Float64", float("nan")),
        ("Float64", None),
        ("Nullable(Float64)", float("-inf")),
        ("String", None),
        ("String", 7),
        ("String", "\ud800"),
        ("LowCardinality(String)", None),
        ("Bool", 1),
        ("DateTime64(6, 'UTC')", datetime(2026, 11, 21)),  # noqa: DTZ001 - that is what is refused
        ("DateTime64(6, 'UTC')", "today"),
        ("Map(String, String)", {"a": 1}),
        ("Map(String, String)", "a"),
    ],
)
def test_what_no_column_could_hold_is_refused(column_type: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        block((Column("c", column_type, ""),), [(value,)])


def test_a_row_of_another_length_is_refused() -> None:
    columns = (Column("a", "String", ""), Column("b", "String", ""))
    with pytest.raises(ValueError, match="zip"):
        block(columns, [("a",)])
    with pytest.raises(ValueError, match="zip"):
        block(columns, [("a", "b"), ("a",)])


def test_a_column_of_a_type_nobody_writes_is_a_mistake_of_its_table() -> None:
    with pytest.raises(TypeError, match="columns of type IPv4"):
        block((Column("c", "IPv4", ""),), [("1.2.3.4",)])

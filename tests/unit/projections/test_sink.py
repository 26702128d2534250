"""Given ranges of a log, then every row is in the tables exactly once, whatever is sent again and whenever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Rows, RowsRejected, SinkUnavailable
from projections.encoding import ORDINAL
from projections.native_format import block
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.table import Column, Row, Table
from projections.tables.catalogue import BY_NAME, MARKER, TABLES
from projections.tables.columns import PLACE
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import on_log

LOG = on_log(5, 12, turns=3)


@pytest.fixture(autouse=True)
def emptied(store: AnalyticsStore) -> Iterator[None]:
    """Each test begins with empty tables."""
    yield
    for name in (*(name for table in TABLES for name in table.names()), "sink_ranges"):
        store.client().command(f"TRUNCATE TABLE {name}")


def newest_calls(store: AnalyticsStore) -> dict[str, int]:
    """The ordinal of each call that the view shows."""
    rows = store.client().query("SELECT call_id, log_ordinal FROM calls").result_rows
    return {row[0]: row[1] for row in rows}


def wanted_calls(last: int) -> dict[str, int]:
    """The same, by the rows that were made."""
    rows = [row for part in cut(ROWS, 1, last) if part.table == "calls" for row in part.rows]
    columns = BY_NAME["calls"].column_names
    call_id, deleted_at = columns.index("call_id"), columns.index("deleted_at")
    newest = {row[call_id]: row for row in sorted(rows, key=lambda row: row[ORDINAL])}
    return {name: row[ORDINAL] for name, row in newest.items() if row[deleted_at] is None}


def at(ordinal: int) -> Position:
    return Position(0, ordinal)


def cut(rows: Sequence[Rows], first: int, last: int) -> list[Rows]:
    """The rows of the events of a range."""
    kept = [Rows(part.table, tuple(row for row in part.rows if first <= row[ORDINAL] <= last)) for part in rows]
    return [part for part in kept if part.rows]


ROWS = folded(LOG)


def contents(store: AnalyticsStore) -> dict[str, list[int]]:
    """The ordinals in each table, one per row."""
    return {
        table.name: [
            row[0]
            for row in store.client()
            .query(f"SELECT log_ordinal FROM {table.physical} ORDER BY log_ordinal")
            .result_rows
        ]
        for table in TABLES
    }


def wanted(last: int) -> dict[str, list[int]]:
    return {
        table.name: sorted(row[ORDINAL] for part in cut(ROWS, 1, last) if part.table == table.name for row in part.rows)
        for table in TABLES
    }


def send(sink: ClickHouseSink, first: int, last: int) -> None:
    sink.write(at(first), at(last), cut(ROWS, first, last))


def test_ranges_follow_each_other_and_the_tables_tell_how_far(store: AnalyticsStore) -> None:
    sink = ClickHouseSink(store)
    assert sink.resume_from(0) == at(0)
    send(sink, 1, 40)
    send(sink, 41, 41)
    send(sink, 42, 90)
    assert contents(store) == wanted(90)
    assert ClickHouseSink(store).resume_from(0) == at(90)
    assert ClickHouseSink(store).planned_end(0) is None


def test_a_range_sent_again_changes_nothing(store: AnalyticsStore) -> None:
    sink = ClickHouseSink(store)
    for _ in range(3):
        send(sink, 1, 40)
    send(ClickHouseSink(store), 1, 40)
    assert contents(store) == wanted(40)


def test_a_gap_is_refused(store: AnalyticsStore) -> None:
    sink = ClickHouseSink(store)
    send(sink, 1, 40)
    with pytest.raises(ValueError, match="leaves a gap: the tables stand at 40"):
        send(sink, 42, 50)
    assert contents(store) == wanted(40)


def test_a_range_that_reaches_over_the_position_adds_only_what_is_beyond(store: AnalyticsStore) -> None:
    sink = ClickHouseSink(store)
    send(sink, 1, 40)
    send(sink, 20, 70)
    assert contents(store) == wanted(70)
    assert ClickHouseSink(store).resume_from(0) == at(70)


class Stopped(Exception):
    """Stands for a process that ended at a step."""


def stops_at(step: str) -> Any:
    def hook(passed: str) -> None:
        if passed == step:
            raise Stopped

    return hook


STEPS = ("after_plan", *(f"after_insert_{table.name}" for table in TABLES))


def ends_and_middle(values: Sequence[str]) -> list[Any]:
    """Every one; in every run the first, one from the middle, and the last, for each costs half a second."""
    always = {0, len(values) // 2, len(values) - 1}
    return [
        pytest.param(value, marks=() if place in always else pytest.mark.long) for place, value in enumerate(values)
    ]


@pytest.mark.parametrize("step", ends_and_middle(STEPS))
def test_a_range_that_was_cut_short_is_planned_and_completed_by_the_next_sink(store: AnalyticsStore, step: str) -> None:
    send(ClickHouseSink(store), 1, 40)
    with pytest.raises(Stopped):
        send(ClickHouseSink(store, hook=stops_at(step)), 41, 90)
    after = ClickHouseSink(store)
    if step == f"after_insert_{MARKER.name}":
        assert (after.resume_from(0), after.planned_end(0)) == (at(90), None)
    else:
        assert (after.resume_from(0), after.planned_end(0)) == (at(40), at(90))
        with pytest.raises(ValueError, match="planned to end at 90"):
            send(after, 41, 60)
        send(after, 41, 90)
    send(after, 91, 100)
    assert contents(store) == wanted(100)
    assert newest_calls(store) == wanted_calls(100)


@pytest.mark.parametrize("table", ends_and_middle([table.physical for table in TABLES if table is not MARKER]))
def test_rows_whose_token_was_noted_without_them_are_written_all_the_same(store: AnalyticsStore, table: str) -> None:
    """As a kill between the engine's two steps leaves it: the token is known, the rows are not there."""
    with pytest.raises(Stopped):
        send(ClickHouseSink(store, hook=stops_at(f"after_insert_{TABLES[-2].name}")), 1, 90)
    store.client().command(f"DELETE FROM {table} WHERE 1 SETTINGS lightweight_deletes_sync = 2")
    send(ClickHouseSink(store), 1, 90)
    assert contents(store) == wanted(90)


def test_newest_rows_that_a_kill_left_out_are_added_with_their_range(store: AnalyticsStore) -> None:
    with pytest.raises(Stopped):
        send(ClickHouseSink(store, hook=stops_at("after_insert_calls")), 1, 90)
    store.client().command("TRUNCATE TABLE calls_v1_newest")
    send(ClickHouseSink(store), 1, 90)
    assert newest_calls(store) == wanted_calls(90)


def test_the_end_of_a_range_without_a_row_in_the_last_table_is_remembered(store: AnalyticsStore) -> None:
    rows = [
        Rows(part.table, tuple(row for row in part.rows if row[ORDINAL] < 38 or part.table != MARKER.name))
        for part in cut(ROWS, 1, 40)
    ]
    ClickHouseSink(store).write(at(1), at(40), rows)
    again = ClickHouseSink(store)
    assert (again.resume_from(0), again.planned_end(0)) == (at(40), None)
    send(again, 41, 60)
    assert ClickHouseSink(store).resume_from(0) == at(60)


def test_late_rows_are_added_once_where_their_range_has_passed(store: AnalyticsStore) -> None:
    sink = ClickHouseSink(store)
    sink.write(at(1), at(60), [part for part in cut(ROWS, 1, 60) if part.rows[0][ORDINAL] not in (20, 21)])
    assert contents(store) != wanted(60)
    for _ in range(2):
        for ordinal in (20, 21):
            send(sink, ordinal, ordinal)
    assert contents(store) == wanted(60)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("data", 7, "events.data takes String, not this int"),
        ("data", "\ud800", "events.data takes String, not this str"),
        ("type", None, "events.type takes LowCardinality(String), not this NoneType"),
        ("schema_version", 1 << 16, "events.schema_version takes UInt16, not this int"),
        ("schema_version", None, "events.schema_version takes UInt16, not this NoneType"),
        ("schema_version", "1", "events.schema_version takes UInt16, not this str"),
        ("originator_version", -1, "events.originator_version takes UInt32, not this int"),
        ("recorded_at", "today", "events.recorded_at takes DateTime64(6, 'UTC'), not this str"),
    ],
)
def test_rows_that_can_never_be_stored_are_named_and_the_rest_goes_in_without_them(
    store: AnalyticsStore, name: str, value: object, fault: str
) -> None:
    column = MARKER.column_names.index(name)

    def spoilt(row: Row) -> Row:
        return (*row[:column], value, *row[column + 1 :]) if row[ORDINAL] == 25 else row

    rows = [
        Rows(part.table, tuple(map(spoilt, part.rows))) if part.table == MARKER.name else part
        for part in cut(ROWS, 1, 40)
    ]
    sink = ClickHouseSink(store)
    with pytest.raises(RowsRejected) as rejected:
        sink.write(at(1), at(40), rows)
    assert rejected.value.reasons == {at(25): fault}
    assert sink.planned_end(0) == at(40)
    sink.write(at(1), at(40), [part for part in cut(ROWS, 1, 40) if part.rows[0][ORDINAL] != 25])
    send(sink, 25, 25)
    assert contents(store) == wanted(40)


@pytest.mark.parametrize("value", [None, 0, (1 << 32) - 1])
def test_numbers_up_to_the_ends_of_their_column_and_nulls_are_stored_as_they_are(
    store: AnalyticsStore, value: int | None
) -> None:
    costs = BY_NAME["costs"]
    turn = costs.column_names.index("turn")
    reading = next(part for part in ROWS if part.table == "costs")
    row = reading.rows[0]
    sink = ClickHouseSink(store)
    sink.write(at(1), at(row[ORDINAL]), [Rows("costs", ((*row[:turn], value, *row[turn + 1 :]),))])
    assert store.client().query(f"SELECT turn FROM {costs.physical}").result_rows == [(value,)]


def test_what_could_not_be_read_is_not_quoted_in_the_error(
    store: AnalyticsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.sink.encode", lambda table, rows: block(table.columns, rows)[:-1])
    with pytest.raises(SinkUnavailable) as unavailable:
        send(ClickHouseSink(store), 1, 40)
    assert "INCORRECT_DATA" in str(unavailable.value)
    assert "secret" not in str(unavailable.value)


def test_an_engine_that_fails_leaves_the_range_to_be_sent_again(store: AnalyticsStore) -> None:
    client, sink = store.client(), ClickHouseSink(store)
    client.command("RENAME TABLE costs_v1 TO costs_away")
    try:
        for _ in range(2):
            with pytest.raises(SinkUnavailable, match="costs_v1"):
                send(sink, 1, 90)
    finally:
        client.command("RENAME TABLE costs_away TO costs_v1")
    assert sink.planned_end(0) == at(90)
    send(sink, 1, 90)
    assert contents(store) == wanted(90)


def test_a_table_nobody_knows_is_a_mistake_of_the_processor(store: AnalyticsStore) -> None:
    with pytest.raises(ValueError, match="no such projection table: calendars"):
        ClickHouseSink(store).write(at(1), at(1), [Rows("calendars", (("x",),))])


def test_times_are_stored_as_the_instants_they_are(store: AnalyticsStore) -> None:
    send(ClickHouseSink(store), 1, 40)
    first = store.client().query("SELECT recorded_at FROM events_v1 ORDER BY log_ordinal LIMIT 1").result_rows[0][0]
    assert first == LOG[0].recorded.time
    found = store.client().query("SELECT toUnixTimestamp64Micro(recorded_at) FROM events_v1 ORDER BY log_ordinal")
    assert [row[0] for row in found.result_rows] == [micros(event) for event in LOG[:40]]


def micros(event: Positioned) -> int:
    time = event.recorded.time
    return int(time.timestamp()) * 1_000_000 + time.microsecond


def test_another_projection_has_a_position_of_its_own(store: AnalyticsStore) -> None:
    notes = Table("notes", 1, "Notes", (*PLACE, Column("text", "String", "Text")), ("org_id", "log_ordinal"), "")
    store.client().command(notes.create_sql())
    try:
        sink = ClickHouseSink(store, tables=(notes,), marker=notes)
        time = LOG[0].recorded.time
        sink.write(at(1), at(2), [Rows("notes", (("org-a", 0, 1, time, "x"), ("org-a", 0, 2, time, "y")))])
        assert (sink.resume_from(0), ClickHouseSink(store).resume_from(0)) == (at(2), at(0))
    finally:
        store.client().command("DROP TABLE notes_v1 SYNC")


def test_filters_on_organisation_and_creation_reach_the_sort_order_through_the_view(store: AnalyticsStore) -> None:
    """Otherwise every question of one organisation would read the calls of all."""
    send(ClickHouseSink(store), 1, 90)
    plan = str(
        store.client().command(
            "EXPLAIN indexes = 1 SELECT sum(cost_usd) FROM calls "
            "WHERE org_id = 'org-a' AND created_at >= '2026-10-05 00:00:00' AND created_at < '2026-10-06 00:00:00'"
        )
    )
    key = plan.split("PrimaryKey", 1)[1].split("Condition", 1)[0]
    assert "org_id" in key
    assert "created_at" in key
    assert "variable_values" not in plan

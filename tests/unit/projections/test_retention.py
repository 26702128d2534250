"""Given times to live by table, then rows of that age go, and that a call was deleted stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from projections.retention import EXPIRING, RetentionInvalid, keep_for, parse_retention
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.tables.catalogue import TABLES
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import on_log


@pytest.fixture
def filled(store: AnalyticsStore) -> Iterator[AnalyticsStore]:
    log = on_log(3, 40, turns=2)
    ClickHouseSink(store).write(log[0].position, log[-1].position, folded(log))
    yield store
    keep_for(store, {})
    for name in (*(name for table in TABLES for name in table.names()), "sink_ranges"):
        store.client().command(f"TRUNCATE TABLE {name}")


def test_tables_and_days_are_read() -> None:
    assert parse_retention("") == {}
    assert parse_retention("messages=90, *=730") == {"messages": 90, "*": 730}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("callz=3", "'callz' is no table; there are calls, turns"),
        ("calls", "must say 1 to 36500 days"),
        ("calls=0", "must say 1 to 36500 days"),
        ("calls=-1", "must say 1 to 36500 days"),
        ("calls=forever", "must say 1 to 36500 days"),
        ("calls=1,calls=2", "stands there twice"),
        ("deleted_calls=1", "is kept for ever"),
    ],
)
def test_everything_else_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RetentionInvalid, match=reason):
        parse_retention(text)


def test_a_rule_is_set_once_changed_and_taken_away(filled: AnalyticsStore) -> None:
    wanted = {"messages": 90, "*": 40_00}
    changed = keep_for(filled, wanted)
    assert len(changed) == sum(len(table.names()) for table in EXPIRING)
    assert keep_for(filled, wanted) == []
    assert keep_for(filled, {**wanted, "messages": 91}) == [
        "ALTER TABLE messages_v1 MODIFY TTL toDateTime(recorded_at) + toIntervalDay(91)"
    ]
    assert len(keep_for(filled, {})) == len(changed)
    assert keep_for(filled, {}) == []


def test_old_rows_go_but_deleted_calls_stay_deleted(filled: AnalyticsStore) -> None:
    client = filled.client()
    tombstones = client.command("SELECT count() FROM calls_v1 WHERE deleted_at IS NOT NULL")
    shown = client.command("SELECT count() FROM messages")
    assert isinstance(tombstones, int)
    assert tombstones > 0
    # The history is of some weeks ago and more, by the clock of the engine.
    keep_for(filled, {"calls": 1})
    client.command("OPTIMIZE TABLE calls_v1 FINAL")
    client.command("OPTIMIZE TABLE calls_v1_newest FINAL")
    assert client.command("SELECT count() FROM calls_v1") == tombstones
    assert client.command("SELECT count() FROM calls") == 0
    assert client.command("SELECT count() FROM messages") == shown
    keep_for(filled, {"*": 1})
    assert client.command("SELECT count() FROM deleted_calls") == tombstones

"""Given calls that were deleted before their table was there, or by a build that does not know it, then it has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.call.events import CallDeleted, UsageMetered
from domain.event import Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from projections import schema
from projections.comparison import newest_hash
from projections.deleted_calls import bring_in_deleted_calls
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.tables.deleted_calls import TABLE
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import on_log

HISTORIES = on_log(17, 60, turns=2)
DELETED = next(event for event in HISTORIES if isinstance(event.recorded.event, CallDeleted))
LATE_READING = Positioned(
    Position(0, HISTORIES[-1].position.ordinal + 1),
    Recorded(
        DELETED.recorded.originator_id,
        DELETED.recorded.originator_version + 1,
        "late-reading.0",
        HISTORIES[-1].recorded.time,
        UsageMetered(
            meter="transport", provider="vapi", model="", quantities={"minutes": 1.0}, price_table="2026-11-01"
        ),
    ),
)
"""What a call used may become known when it is deleted already: a second row of a deleted call."""

LOG = [*HISTORIES, LATE_READING]
HEAD = LOG[-1].position
VIEWS = ("turns", "messages", "tool_calls", "costs", "latencies")


@pytest.fixture
def filled(store: AnalyticsStore) -> Iterator[AnalyticsStore]:
    ClickHouseSink(store).write(LOG[0].position, HEAD, folded(LOG))
    yield store
    schema.downgrade(store, "base")
    schema.upgrade(store)


def shown(store: AnalyticsStore) -> dict[str, object]:
    return {view: store.client().command(f"SELECT count() FROM {view}") for view in VIEWS}


def test_an_upgrade_of_filled_tables_makes_the_rows_that_the_log_makes(filled: AnalyticsStore) -> None:
    made, visible = newest_hash(filled, TABLE.physical, HEAD), shown(filled)
    assert made.rows == sum(isinstance(event.recorded.event, CallDeleted) for event in LOG) > 1
    schema.downgrade(filled, "0006")
    assert shown(filled) == visible
    schema.upgrade(filled)
    assert newest_hash(filled, TABLE.physical, HEAD) == made
    assert shown(filled) == visible


def test_an_upgrade_that_was_cut_short_copies_no_call_twice(filled: AnalyticsStore) -> None:
    made = newest_hash(filled, TABLE.physical, HEAD)
    filled.client().command(f"INSERT INTO {schema.VERSION_TABLE} VALUES ('0006')")
    filled.client().command(
        f"ALTER TABLE {schema.VERSION_TABLE} DELETE WHERE version_num = '{schema.HEAD}' SETTINGS mutations_sync = 1"
    )
    schema.upgrade(filled)
    assert newest_hash(filled, TABLE.physical, HEAD) == made


def test_what_a_projector_of_an_earlier_build_left_out_is_brought_in_once(filled: AnalyticsStore) -> None:
    made, visible = newest_hash(filled, TABLE.physical, HEAD), shown(filled)
    filled.client().command(
        f"ALTER TABLE {TABLE.physical} DELETE WHERE call_id = '{DELETED.recorded.originator_id}' "
        "SETTINGS mutations_sync = 1"
    )
    assert shown(filled) != visible
    for _ in range(2):
        bring_in_deleted_calls(filled)
        assert newest_hash(filled, TABLE.physical, HEAD) == made
    assert shown(filled) == visible
    assert filled.client().command(f"SELECT count() FROM {TABLE.physical}") == made.rows

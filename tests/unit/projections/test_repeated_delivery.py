"""Given ranges that come two to five times and out of turn, then the tables are those of ranges that came once."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Rows
from projections.comparison import TableHash, table_hash
from projections.encoding import encode_rows
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.tables.catalogue import TABLES
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import on_log

Delivery = tuple[Position, Position, list[Rows]]
SHARDS = (0, 3)


def ranges(random_: random.Random, shard: int, calls: int) -> list[Delivery]:
    """The whole history of a shard in ranges of odd lengths."""
    events = [
        Positioned(Position(shard, event.position.ordinal), event.recorded)
        for event in on_log(40 + shard, calls, turns=2)
    ]
    made: list[Delivery] = []
    rows = _rows_by_position(events)
    while events:
        piece, events = events[: (length := random_.randint(1, 40))], events[length:]
        parts = [part for event in piece for part in rows[event.position]]
        made.append((piece[0].position, piece[-1].position, parts))
    return made


def _rows_by_position(events: Sequence[Positioned]) -> dict[Position, list[Rows]]:
    found: dict[Position, list[Rows]] = {event.position: [] for event in events}
    for part in folded(events):
        for row in part.rows:
            found[Position(row[1], row[2])].append(Rows(part.table, (row,)))
    return found


def contents(store: AnalyticsStore) -> dict[str, TableHash]:
    ends = [Position(shard, 1 << 40) for shard in SHARDS]
    return {name: table_hash(store, name, *ends) for table in TABLES for name in table.names()[:1]}


def emptied(store: AnalyticsStore) -> ClickHouseSink:
    for name in (*(name for table in TABLES for name in table.names()), "sink_ranges"):
        store.client().command(f"TRUNCATE TABLE {name}")
    return ClickHouseSink(store)


@pytest.mark.parametrize(
    ("seed", "calls"), [(1, 4), *(pytest.param(seed, 8, marks=pytest.mark.long) for seed in range(1, 21))]
)
def test_the_tables_are_equal(store: AnalyticsStore, seed: int, calls: int) -> None:
    random_ = random.Random(seed)
    shards = [ranges(random_, shard, calls) for shard in SHARDS]
    sink = emptied(store)
    for shard in shards:
        for first, last, rows in shard:
            sink.write(first, last, rows)
    once, shown = contents(store), store.client().command("SELECT count() FROM calls")

    sink, waiting, passed = emptied(store), [list(shard) for shard in shards], list[Delivery]()
    while any(waiting):
        shard = random_.choice([shard for shard in waiting if shard])
        delivery = shard.pop(0)
        again = [delivery] * random_.randint(1, 4) + random_.sample(passed, min(len(passed), random_.randint(0, 3)))
        random_.shuffle(again)
        _deliver(random_, sink, delivery, new=True)
        for repeated in again:
            _deliver(random_, sink, repeated, new=False)
        if random_.random() < 0.1:
            sink = ClickHouseSink(store)
        passed.append(delivery)
    assert contents(store) == once
    assert store.client().command("SELECT count() FROM calls") == shown
    assert all(hash_.rows for name, hash_ in once.items() if not name.startswith(("chats", "sessions", "deliveries")))


def _deliver(random_: random.Random, sink: ClickHouseSink, delivery: Delivery, *, new: bool) -> None:
    first, last, rows = delivery
    rows = random_.sample(rows, len(rows))
    if new and random_.random() < 0.5:
        sink.write_encoded(first, last, encode_rows(sorted(rows, key=lambda part: part.rows[0][2])))
    else:
        sink.write(first, last, sorted(rows, key=lambda part: part.rows[0][2]))

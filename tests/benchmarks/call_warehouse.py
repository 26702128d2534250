"""Fills an analytics store with synthetic calls, a million in minutes: for benchmarks of questions, not of filling.

``python -m tests.benchmarks.call_warehouse FOLDER --calls 1000000 [--event-calls 200000]`` makes the embedded engine's
folder FOLDER (which must not exist), and prints how many rows each table has and what they take on the disk. Open it
with ``AnalyticsStore.open``. Without FOLDER it fills one that is thrown away and shows how long that takes.

A part of the calls (``--told``) is told through the domain and folded by the projection's own processors. The engine
then copies these rows under other call ids and ordinals, each call moved to another day and minute of the period: all
tables agree with each other about every call, and only what is said repeats itself.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from domain.log.ports import Positioned
from domain.log.position import Position
from projections import schema
from projections.folds import PROCESSORS
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.table import Table
from projections.tables.catalogue import MARKER, TABLES
from streams.processing.dead_letters import DeadLetters
from streams.processing.replay import EmbeddedReplay
from tests.benchmarks.call_histories import call_histories, in_order
from tests.unit.streams.memory_log import MemoryLog

TOLD = 20_000
"""Calls whose histories are told one by one; the others are copies of them."""

DAYS = 90
"""The calls begin within so many days."""

COPIES_AT_ONCE = 10
"""Copies that one statement makes; each statement leaves one part or a few for the engine to merge."""

INSERT_THREADS = 2

CALL_BYTES, EVENTS_BYTES = 1_100, 2_500
"""What a call takes on the disk in all tables but that of events, and in that one; about."""


def tell(store: AnalyticsStore, calls: int, seed: int = 1) -> int:
    """Fold ``calls`` histories into an empty store; the ordinal of the last event."""
    recorded = in_order(list(call_histories(seed, calls)))
    log = MemoryLog([Positioned(Position(0, ordinal), event) for ordinal, event in enumerate(recorded, 1)])
    letters = DeadLetters(":memory:")
    replay = EmbeddedReplay(log, PROCESSORS, letters)
    if replay(ClickHouseSink(store), log.head(), lambda position: None):
        raise AssertionError("a processor refused events of the histories")
    letters.close()
    return log.head().ordinal


def copy(store: AnalyticsStore, table: Table, head: int, copies: range) -> None:
    """Add these copies (numbered from 1) of everything up to ``head`` to a table."""
    for name in table.names():
        store.client().command(
            f"INSERT INTO {name} SELECT {_copied(table, head)} FROM {name} AS told "
            f"CROSS JOIN (SELECT number AS copy FROM numbers({copies.start}, {len(copies)})) AS copies "
            f"WHERE told.log_ordinal <= {head}",
            settings={
                "insert_deduplicate": 0,
                "max_partitions_per_insert_block": 1000,
                "max_insert_threads": INSERT_THREADS,
            },
        )


def _copied(table: Table, head: int) -> str:
    """The columns of a table as the copy has them: ids, ordinals and times differ, each time by as much in a call."""
    call = "originator_id" if "originator_id" in table.column_names else "call_id"
    moved = f"cityHash64(told.{call}, copy)"
    # Whole days keep the hours at which people telephone.
    seconds = f"toInt64(({moved} % {DAYS}) * 86400 + intDiv({moved}, {DAYS}) % 1800)"
    expressions = []
    for column in table.columns:
        if column.name == "log_ordinal":
            expressions.append(f"told.log_ordinal + copy * {head}")
        elif column.name in {"call_id", "originator_id", "event_id"}:
            expressions.append(f"concat(told.{column.name}, '-', toString(copy))")
        elif "DateTime64" in column.type:
            expressions.append(f"addSeconds(told.{column.name}, {seconds})")
        else:
            expressions.append(f"told.{column.name}")
    return ", ".join(expressions)


def fill(store: AnalyticsStore, calls: int, *, told: int = TOLD, event_calls: int | None = None) -> None:
    """Fill an empty, migrated store with about ``calls`` calls (a multiple of ``told``).

    The events of ``event_calls`` of them are kept at most: they take more than all other tables together.
    """
    told = min(told, calls)
    head = tell(store, told)
    # What belongs to no call (sessions, say) is not told here.
    tables = [table for table in TABLES if {"call_id", "originator_id"} & set(table.column_names)]
    until = calls // told
    with_events = until if event_calls is None else event_calls // told
    for first in range(1, until, COPIES_AT_ONCE):
        copies = range(first, min(first + COPIES_AT_ONCE, until))
        for table in tables:
            of_table = range(first, min(copies.stop, with_events)) if table is MARKER else copies
            if of_table:
                copy(store, table, head, of_table)
        print(f"{copies.stop * told:12,} calls", flush=True)


def sizes(store: AnalyticsStore) -> list[tuple[str, int, int]]:
    """Of each table with rows: its name, how many rows, and their bytes on the disk."""
    found = store.client().query(
        "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() "
        "GROUP BY table ORDER BY sum(bytes_on_disk) DESC"
    )
    return [(str(name), int(rows), int(size)) for name, rows, size in found.result_rows]


def check_space(folder: Path, calls: int, event_calls: int | None) -> None:
    """Raise ``OSError`` where the disk will surely not hold it; merging takes as much again for a while."""
    needed = 2 * (calls * CALL_BYTES + min(event_calls or calls, calls) * EVENTS_BYTES)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"{calls:,} calls take up to {needed / 1e9:.0f} GB in {folder}, where {free / 1e9:.0f} GB are free; "
            "keep the events of fewer calls with --event-calls"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--told", type=int, default=TOLD)
    parser.add_argument("--event-calls", type=int, help="calls whose events are kept (default: of all)")
    given = parser.parse_args()
    if given.folder is not None and given.folder.exists():
        parser.error(f"{given.folder} exists already")
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as thrown_away:
        store = AnalyticsStore.open(given.folder or Path(thrown_away) / "clickhouse")
        schema.upgrade(store)
        check_space(given.folder or Path(thrown_away), given.calls, given.event_calls)
        fill(store, given.calls, told=given.told, event_calls=given.event_calls)
        for name, rows, size in sizes(store):
            print(f"{name:20}{rows:14,} rows {size / 1e6:12,.1f} MB {size / given.calls:10,.0f} bytes a call")
        store.close()
    print(f"{given.calls:,} calls in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()

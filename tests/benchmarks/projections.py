"""How fast events become rows, and how soon a row can be seen.

``python -m tests.benchmarks.projections [calls]`` fills a log with seeded calls (42 events each on average) and prints
medians: rows inserted as they are by clickhouse-connect (the baseline), the same rows folded from the log through the
exactly-once sink, a rebuild of all tables with its comparison, and the time from an append to its visible row.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from domain.call.events import MessageCommitted
from domain.event import Event
from domain.log.position import Position
from domain.processing import Rows
from projections import schema
from projections.encoding import encode_rows
from projections.folds import PROCESSORS
from projections.rebuild import rebuild
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.table import Row
from projections.tables.catalogue import BY_NAME, TABLES
from streams.log.embedded import EmbeddedLog
from streams.log.reading import opened_for_reading
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.group import ProcessorGroup
from streams.processing.parallel_replay import ParallelReplay
from streams.processing.pipeline import BATCH_EVENTS, Pipeline
from streams.processing.replay import EmbeddedReplay
from tests.unit.projections.histories import facts

RUNS = 3
WORKERS = 2
COMMIT_EVENTS = 4
VISIBLE_SAMPLES = 60


async def fill(log: EmbeddedLog, calls: int) -> int:
    """Append the histories in commits of a few events, many at a time."""
    by_originator: dict[str, list[tuple[Event, datetime]]] = defaultdict(list)
    begin = datetime(2026, 10, 1, tzinfo=UTC)
    for originator_id, (after, event) in facts(1, calls):
        by_originator[originator_id].append((event, begin + after))

    async def append(originator_id: str, history: Sequence[tuple[Event, datetime]]) -> None:
        for first in range(0, len(history), COMMIT_EVENTS):
            events, times = zip(*history[first : first + COMMIT_EVENTS], strict=True)
            await log.record(originator_id, events, times)

    await asyncio.gather(*(append(*entry) for entry in by_originator.items()))
    return log.head().ordinal


def emptied(store: AnalyticsStore) -> None:
    for table in (*(table.physical for table in TABLES), "sink_ranges"):
        store.client().command(f"TRUNCATE TABLE {table}")


def folded(log: EmbeddedLog, letters: DeadLetters) -> list[list[Rows]]:
    """The rows of the whole log, batch by batch."""
    group, after, batches = ProcessorGroup(PROCESSORS, log, letters), Position(0, 0), []
    while events := log.read(after, BATCH_EVENTS):
        batches.append(group.fold(events).rows)
        after = events[-1].position
    return batches


def insert_plainly(store: AnalyticsStore, batches: Sequence[Sequence[Rows]]) -> None:
    for batch in batches:
        by_table: dict[str, list[Row]] = defaultdict(list)
        for part in batch:
            by_table[part.table].extend(part.rows)
        for name, rows in by_table.items():
            table = BY_NAME[name]
            columns = list(zip(*rows, strict=True))
            store.client().insert(table.physical, columns, column_names=table.column_names, column_oriented=True)


async def visible_after_ms(store: AnalyticsStore, log: EmbeddedLog, letters: DeadLetters) -> list[float]:
    """From before the append until the row can be read, one event at a time at odd moments."""
    pipeline = Pipeline("projections", PROCESSORS, ClickHouseSink(store))
    runner = EmbeddedRunner(log, [pipeline], letters, clock=lambda: datetime.now(UTC))
    await runner.start()
    await runner.reached(log.head())
    waits = []
    for number in range(VISIBLE_SAMPLES):
        await asyncio.sleep(0.013 * (number % 7))
        message = MessageCommitted(
            message_id=f"m{number}", role="user", text="Hello", started_ms=0, ended_ms=1, turn=number
        )
        begin = time.perf_counter()
        appended = await log.record("call-1-000001", [message], [datetime.now(UTC)])
        await runner.reached(appended.position)
        waits.append((time.perf_counter() - begin) * 1000)
    await runner.stop()
    seen = store.client().command("SELECT count() FROM messages WHERE text = 'Hello'")
    if seen != VISIBLE_SAMPLES:
        raise AssertionError(f"{seen} of {VISIBLE_SAMPLES} rows can be seen")
    return sorted(waits)


def processor_seconds() -> float:
    """Of this process and of those it has waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


async def main(calls: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ids = count(1)
        log = EmbeddedLog.open(
            Path(folder) / "log.db", clock=lambda: datetime.now(UTC), new_id=lambda: f"id-{next(ids)}"
        )
        events = await fill(log, calls)
        store = AnalyticsStore.open(Path(folder) / "clickhouse")
        schema.upgrade(store)
        letters = DeadLetters(":memory:")
        replay = EmbeddedReplay(log, PROCESSORS, letters)
        in_processes = ParallelReplay(
            log,
            PROCESSORS,
            letters,
            open_log=partial(opened_for_reading, Path(folder) / "log.db"),
            encode=encode_rows,
            workers=WORKERS,
            worthwhile_events=0,
        )
        batches = folded(log, letters)
        rows = sum(len(part.rows) for batch in batches for part in batch)
        print(f"{events} events of {calls} calls, {rows} rows")
        gc.collect()
        gc.freeze()

        def measured(label: str, work: str, tables: Callable[[], Any], what: Callable[[Any], None]) -> None:
            times = []
            for _ in range(RUNS):
                prepared = tables()
                begin = time.perf_counter(), processor_seconds()
                what(prepared)
                times.append((time.perf_counter() - begin[0], processor_seconds() - begin[1]))
            seconds, processor = (statistics.median(kind) for kind in zip(*times, strict=True))
            each = processor / events * 1e6
            print(
                f"{label:38}{events / seconds:8,.0f} events/s {rows / seconds:8,.0f} rows/s {each:5.1f} µs CPU  {work}"
            )

        def empty_sink() -> ClickHouseSink:
            emptied(store)
            return ClickHouseSink(store)

        def fill_tables(sink: ClickHouseSink) -> None:
            replay(sink, log.head(), lambda position: None)

        def rebuild_tables(sink: ClickHouseSink) -> None:
            if not rebuild(store, in_processes, sink, until=[log.head()], keep_replaced=False).equal:
                raise AssertionError("the rebuilt tables differ from the live ones")

        work = "no log, no fold, no exactly-once"
        measured("baseline: rows inserted as they are", work, empty_sink, lambda _: insert_plainly(store, batches))
        batches.clear()
        measured("log to tables", "read, decode, fold, insert exactly once", empty_sink, fill_tables)
        full = ClickHouseSink(store)
        measured(
            f"rebuild of all tables, {WORKERS} workers",
            "beside the live ones, hashes equal",
            lambda: full,
            rebuild_tables,
        )
        waits = await visible_after_ms(store, log, letters)
        p50, p95 = (waits[int(len(waits) * share)] for share in (0.5, 0.95))
        print(f"{'append to visible row':38}p50 {p50:.0f} ms, p95 {p95:.0f} ms")
        letters.close()
        store.close()
        log.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))

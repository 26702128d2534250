"""How fast events become rows, and how soon a row can be seen.

``python -m tests.benchmarks.projections [calls]`` fills a log with seeded calls (43 events each on average) and prints
medians: rows inserted as they are by clickhouse-connect and events only read and decoded (the baselines), the sink
alone with rows that were folded before, the log folded into the tables through the sink (by worker processes, in one
process, and with every thread of that on one core), a rebuild of all tables with its comparison, and the time from an
append to its visible row, alone and at 1,000 events a second.
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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
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
from projections.encoding import ORDINAL, encode_rows
from projections.folds import PROCESSORS
from projections.rebuild import rebuild
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.table import Row
from projections.tables.catalogue import BY_NAME, TABLES
from streams.log.embedded import EmbeddedLog
from streams.log.reading import opened_shard
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.fold_workers import Workers
from streams.processing.folded_range import PIECE_EVENTS
from streams.processing.group import ProcessorGroup
from streams.processing.parallel_replay import ParallelReplay
from streams.processing.pipeline import BATCH_EVENTS, Bulk, Pipeline
from tests.unit.projections.histories import facts

RUNS = 3
WORKERS = 2
COMMIT_EVENTS = 4
ORIGINATORS_AT_ONCE = 2_000
VISIBLE_SAMPLES = 60
RATE, RATE_SECONDS = 1_000, 8


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

    histories = list(by_originator.items())
    for first in range(0, len(histories), ORIGINATORS_AT_ONCE):
        await asyncio.gather(*(append(*entry) for entry in histories[first : first + ORIGINATORS_AT_ONCE]))
    return log.head().ordinal


def emptied(store: AnalyticsStore) -> None:
    for name in ("sink_ranges", *(name for table in TABLES for name in table.names())):
        store.client().command(f"TRUNCATE TABLE {name}")


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


@asynccontextmanager
async def running(store: AnalyticsStore, log: EmbeddedLog, letters: DeadLetters) -> AsyncIterator[EmbeddedRunner]:
    sink = ClickHouseSink(store)
    pipeline = Pipeline("projections", PROCESSORS, sink, Bulk(encode_rows, sink.write_encoded))
    runner = EmbeddedRunner(log, [pipeline], letters, clock=lambda: datetime.now(UTC))
    await runner.start()
    await runner.reached(log.head())
    yield runner
    await runner.stop()


async def visible_at_rate_ms(runner: EmbeddedRunner, log: EmbeddedLog) -> list[float]:
    """From before the append until its rows can be read, while ``RATE`` events arrive each second."""
    waits: list[float] = []

    async def append(number: int) -> None:
        began, now = time.perf_counter(), datetime.now(UTC)
        messages = [
            MessageCommitted(message_id=f"r{number}-{n}", role="user", text="Load", started_ms=0, ended_ms=1, turn=n)
            for n in range(COMMIT_EVENTS)
        ]
        appended = await log.record(f"call-1-{number % 20:06}", messages, [now] * COMMIT_EVENTS)
        await runner.reached(appended.position)
        waits.append((time.perf_counter() - began) * 1000)

    async with asyncio.TaskGroup() as group:
        began = time.perf_counter()
        for number in range(int(RATE * RATE_SECONDS / COMMIT_EVENTS)):
            group.create_task(append(number))
            await asyncio.sleep(max(began + (number + 1) * COMMIT_EVENTS / RATE - time.perf_counter(), 0))
    return sorted(waits)


async def visible_after_ms(store: AnalyticsStore, runner: EmbeddedRunner, log: EmbeddedLog) -> list[float]:
    """From before the append until the row can be read, one event at a time at odd moments."""
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
    seen = store.client().command("SELECT count() FROM messages WHERE text = 'Hello'")
    if seen != VISIBLE_SAMPLES:
        raise AssertionError(f"{seen} of {VISIBLE_SAMPLES} rows can be seen")
    return sorted(waits)


@contextmanager
def on_one_core() -> Iterator[None]:
    """Every thread of this process, the engine's too, on the first core that it may use."""

    def pin(cores: set[int]) -> None:
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), cores)

    allowed = os.sched_getaffinity(0)
    pin({min(allowed)})
    try:
        yield
    finally:
        pin(allowed)


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
        replay = ParallelReplay(log, PROCESSORS, letters, encode=encode_rows)
        workers = Workers(partial(opened_shard, log.files), WORKERS, worthwhile_events=0)
        in_processes = ParallelReplay(log, PROCESSORS, letters, encode=encode_rows, workers=workers)
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

        def fill_by_workers(sink: ClickHouseSink) -> None:
            in_processes(sink, log.head(), lambda position: None)

        def sink_alone(sink: ClickHouseSink) -> None:
            ordinal = 0
            for batch in batches:
                last = max(part.rows[-1][ORDINAL] for part in batch)
                sink.write_encoded(Position(0, ordinal + 1), Position(0, last), encode_rows(batch))
                ordinal = last

        def read_only(_: object) -> None:
            after = Position(0, 0)
            while found := log.read(after, PIECE_EVENTS):
                after = found[-1].position

        def rebuild_tables(sink: ClickHouseSink) -> None:
            if not rebuild(store, in_processes, sink, until=[log.head()], keep_replaced=False).equal:
                raise AssertionError("the rebuilt tables differ from the live ones")

        work = "no log, no fold, no exactly-once"
        measured("baseline: rows inserted as they are", work, empty_sink, lambda _: insert_plainly(store, batches))
        with on_one_core():
            measured("the sink alone, on one core", "encode, insert exactly once", empty_sink, sink_alone)
        batches.clear()
        measured("baseline: read and decoded alone", "no fold, no insert", lambda: None, read_only)
        work = "read, decode, fold, insert exactly once"
        measured(f"log to tables, {WORKERS} workers", work, empty_sink, fill_by_workers)
        measured("log to tables, in one process", work, empty_sink, fill_tables)
        with on_one_core():
            measured("log to tables, on one core", work, empty_sink, fill_tables)
        full = ClickHouseSink(store)
        measured(
            f"rebuild of all tables, {WORKERS} workers",
            "beside the live ones, hashes equal",
            lambda: full,
            rebuild_tables,
        )
        async with running(store, log, letters) as runner:
            for label, waits in (
                ("append to visible row", await visible_after_ms(store, runner, log)),
                (f"the same at {RATE:,} events/s", await visible_at_rate_ms(runner, log)),
            ):
                p50, p95 = (waits[int(len(waits) * share)] for share in (0.5, 0.95))
                print(f"{label:38}p50 {p50:.0f} ms, p95 {p95:.0f} ms, longest {waits[-1]:.0f} ms")
        letters.close()
        store.close()
        log.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))

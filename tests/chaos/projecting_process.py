"""A process that projects a log into its store, and kills itself where it is told to.

``python -m tests.chaos.projecting_process FOLDER [WAY STEP COUNT]`` ends with SIGKILL when STEP is passed for the
COUNTth time. WAY is ``rows``, or ``bulk`` for long ranges in the engine's own form while there is a batch to catch up.
With the step ``any`` it writes each step it passes to its output, so that somebody else can kill it anywhere. Without a
step it projects everything, makes the tables again from the log, and prints what it found as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from projections import schema
from projections.encoding import encode_rows
from projections.folds import PROCESSORS
from projections.rebuild import rebuild
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Bulk, Pipeline
from streams.processing.replay import EmbeddedReplay
from tests.unit.projections.histories import on_log
from tests.unit.streams.memory_log import MemoryLog

SEED, CALLS, BATCH = 31, 20, 40


async def main(folder: Path, way: str, step: str, count: int) -> None:
    log = MemoryLog(on_log(SEED, CALLS, turns=3))
    store = AnalyticsStore.open(folder / "clickhouse")
    schema.upgrade(store)
    passed: Counter[str] = Counter()

    def hook(name: str) -> None:
        passed[name] += 1
        if step == "any":
            print(name, flush=True)
        if name == step and passed[name] == count:
            os.kill(os.getpid(), signal.SIGKILL)

    letters = DeadLetters(folder / "dead.db")
    sink = ClickHouseSink(store, hook=hook)
    bulk = Bulk(encode_rows, sink.write_encoded, range_events=2 * BATCH) if way == "bulk" else None
    pipeline = Pipeline("projections", PROCESSORS, sink, bulk, batch_events=BATCH)
    runner = EmbeddedRunner(log, [pipeline], letters, clock=lambda: datetime.now(UTC))
    await runner.start()
    await runner.reached(log.head())
    await runner.stop()
    client = store.client()
    events = client.query("SELECT count(), uniqExact(log_ordinal), max(log_ordinal) FROM events_v1").result_rows[0]
    rebuilt = rebuild(store, EmbeddedReplay(log, PROCESSORS, letters), sink, until=[log.head()])
    print(
        json.dumps(
            {
                "head": log.head().ordinal,
                "events": list(events),
                "unequal": [comparison.table for comparison in rebuilt.comparisons if not comparison.equal],
                "rows": {comparison.table: comparison.live.rows for comparison in rebuilt.comparisons},
                "parked": len(letters.list()),
                "resumed_ranges": passed["after_plan"],
            }
        )
    )


if __name__ == "__main__":
    arguments = sys.argv[1:]
    way, step, count = (*arguments[1:], *("rows", "none", "0")[len(arguments) - 1 :])
    asyncio.run(main(Path(arguments[0]), way, step, int(count)))

"""Events per second through the runners that host stream processors, beside a consumer that only decodes.

    python -m tests.benchmarks.runners [--events 40000] [--runs 3]

One log on a real broker of this machine. Every run processes all of it from the beginning: the processors of the tables
and of the live figures, into a sink that keeps nothing but how far it is. The baseline polls the same partition with
kafka-python and decodes every event, with no verdicts, states, rows or positions. Faust's start is not counted: its
clock runs from the assignment of the shard, to the last row and to the last acknowledged record.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table

from domain.log.codec import EventCodec
from domain.log.envelope import to_commit
from domain.log.position import Position
from domain.processing import Rows
from domain.registry import EVENT_TYPES
from projections.folds import PROCESSORS
from streams.faust.app import quiet_app
from streams.faust.runner import FaustRunner
from streams.kafka.location import KafkaLocation
from streams.kafka.records import to_record
from streams.kafka.scan import scanned
from streams.kafka.topics import prepare
from streams.live_figures.facts import LiveFacts
from streams.log.kafka.log import KafkaLog
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline
from tests.brokers import fresh_topic, real_cluster
from tests.contracts.call_history import commits

HOSTED = (*PROCESSORS, LiveFacts())
TOGETHER = 200
"""Calls that are appended at the same time."""


class Nowhere:
    """A ``RowSink`` that counts."""

    def __init__(self) -> None:
        self.rows = 0
        self._ordinal = 0

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        self.rows += sum(len(part.rows) for part in rows)
        self._ordinal = last.ordinal

    def resume_from(self, shard: int) -> Position:
        return Position(shard, self._ordinal)

    def planned_end(self, shard: int) -> Position | None:
        return None


async def fill(log: KafkaLog, events: int) -> None:
    numbers = count()

    async def call(number: int) -> None:
        for part in commits(number):
            await log.record(f"call-{number}", part, [datetime.now(UTC)] * len(part))

    while log.head().ordinal < events:
        await asyncio.gather(*(call(next(numbers)) for _ in range(TOGETHER)))


def decoding(location: KafkaLocation) -> int:
    """How many events a plain consumer decodes."""
    decode, decoded = EventCodec(EVENT_TYPES).decode, 0
    with scanned(location, "log", 0) as records:
        for record in records:
            commit = to_commit(to_record(record))
            for slot, topic, body in zip(commit.slots, commit.topics, commit.bodies, strict=True):
                decode(topic, body, slot.originator_id, slot.version)
                decoded += 1
    return decoded


async def embedded(log: KafkaLog) -> float:
    sink = Nowhere()
    with closing(DeadLetters(":memory:")) as letters:
        runner = EmbeddedRunner(log, [Pipeline("bench", HOSTED, sink)], letters, clock=lambda: datetime.now(UTC))
        began = time.perf_counter()
        await runner.start()
        await runner.reached(log.head())
        took = time.perf_counter() - began
        await runner.stop()
    return took


async def on_faust(location: KafkaLocation, log: KafkaLog, records: int, folder: Path) -> tuple[float, float]:
    """Seconds to the last row, and to the last acknowledged record."""
    with closing(DeadLetters(":memory:")) as letters:

        async def nothing() -> None: ...

        app = quiet_app(location, fresh_topic("bench"), folder / "faust")
        runner = FaustRunner(
            app,
            location,
            Pipeline("bench", HOSTED, Nowhere()),
            log,
            letters,
            clock=lambda: datetime.now(UTC),
            taking_over=nothing,
        )
        began = []
        app.on_partitions_assigned.connect(lambda *_, **__: began.append(time.perf_counter()), weak=False)
        await runner.start()
        await runner.reached(log.head())
        rows = time.perf_counter() - began[-1]
        while runner.acknowledged < records:  # noqa: ASYNC110 - an event would cost what is measured
            await asyncio.sleep(0.005)
        acknowledged = time.perf_counter() - began[-1]
        await runner.stop()
    return rows, acknowledged


async def measure(events: int, runs: int) -> None:
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        cluster = parts.enter_context(real_cluster(folder / "kafka", brokers=1))
        location = KafkaLocation(tuple(cluster.bootstrap.split(",")))
        identity, ids = prepare(location, replication=1).identity, count()
        log = parts.enter_context(
            closing(
                KafkaLog.open(
                    location,
                    folder / "replica",
                    identity=identity,
                    clock=lambda: datetime.now(UTC),
                    new_id=lambda: f"id-{next(ids)}",
                )
            )
        )
        await fill(log, events)
        appended, records = log.head().ordinal, log.tail().next_offset
        seconds: dict[str, list[float]] = {}
        for _ in range(runs):
            began = time.perf_counter()
            assert decoding(location) == appended
            seconds.setdefault("plain consumer that only decodes", []).append(time.perf_counter() - began)
            seconds.setdefault("embedded runner, to the last row", []).append(await embedded(log))
            rows, acknowledged = await on_faust(location, log, records, folder)
            seconds.setdefault("Faust runner, to the last row", []).append(rows)
            seconds.setdefault("Faust runner, to the last acknowledged record", []).append(acknowledged)
    table = Table(title=f"{appended:,} events in {records:,} commits, {len(HOSTED)} processors, median of {runs}")
    table.add_column("")
    table.add_column("events/s", justify="right")
    for name, took in seconds.items():
        table.add_row(name, f"{appended / statistics.median(took):,.0f}")
    Console().print(table)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=40_000, help="events on the log (default 40000)")
    arguments.add_argument("--runs", type=int, default=3, help="runs whose median is shown (default 3)")
    given = arguments.parse_args()
    asyncio.run(measure(given.events, given.runs))


if __name__ == "__main__":
    main()

"""How fast the embedded log takes commits, beside eventsourcing's own SQLite recorder and JSON transcoder.

    python -m tests.benchmarks.log_append [--commits 1000] [--runs 3]

Every append is flushed to disk before it counts (``synchronous=FULL`` on both sides; the library leaves that to
SQLite's default, which is FULL as well). The log judges, chains and folds each commit into a document; the baseline
maps and inserts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from rich.console import Console
from rich.table import Table

from domain.call.events import CallCreated, MessageCommitted
from streams.log.embedded import EmbeddedLog
from tests.benchmarks.call_events import message

WRITERS = (1, 16, 64)

Latencies = list[float]


class Call(Aggregate):
    """A call as the library's documentation would write it: events by decorator, JSON transcoder."""

    class Opened(Aggregate.Created):
        org_id: str

    class Spoke(Aggregate.Event):
        message_id: str
        role: str
        text: str
        started_ms: float
        ended_ms: float
        turn: int
        generated_text: str
        source: str
        interrupted: bool
        confidence: float

    @event(Opened)
    def __init__(self, org_id: str) -> None:
        self.org_id = org_id
        self.messages = 0

    @event(Spoke)
    def speak(
        self,
        message_id: str,
        role: str,
        text: str,
        started_ms: float,
        ended_ms: float,
        turn: int,
        generated_text: str,
        source: str,
        interrupted: bool,
        confidence: float,
    ) -> None:
        self.messages += 1


def spoken(number: int) -> dict[str, object]:
    """The fields of one message, the same for both sides."""
    said = message(number)
    return {name: getattr(said, name) for name in MessageCommitted.__struct_fields__}


@contextlib.contextmanager
def embedded_log() -> Iterator[EmbeddedLog]:
    with tempfile.TemporaryDirectory() as folder:
        log = EmbeddedLog.open(
            Path(folder) / "log.sqlite", clock=lambda: datetime.now(UTC), new_id=lambda: str(uuid4())
        )
        with contextlib.closing(log):
            yield log


def append_to_log(writers: int, commits: int) -> tuple[Latencies, float]:
    """Record one message per commit from this many calls at once; gives each append's seconds and the whole time."""
    now = datetime.now(UTC)
    latencies: Latencies = []

    async def write(log: EmbeddedLog, call_id: str) -> None:
        for number in range(commits // writers):
            began = time.perf_counter()
            await log.record(call_id, [message(number)], [now])
            latencies.append(time.perf_counter() - began)

    async def run(log: EmbeddedLog) -> float:
        calls = [str(uuid4()) for _ in range(writers)]
        created = CallCreated(org_id="org", type="vapi.websocketCall", request={}, transport={})
        await asyncio.gather(*(log.record(call_id, [created], [now]) for call_id in calls))
        began = time.perf_counter()
        await asyncio.gather(*(write(log, call_id) for call_id in calls))
        return time.perf_counter() - began

    with embedded_log() as log:
        return latencies, asyncio.run(run(log))


def append_to_library(writers: int, commits: int) -> tuple[Latencies, float]:
    """The same through the library's application, one thread per writer."""
    latencies: Latencies = []
    with tempfile.TemporaryDirectory() as folder:
        app = Application[UUID](
            env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": f"file:{folder}/events.sqlite"}
        )
        calls = [Call(org_id="org") for _ in range(writers)]
        for call in calls:
            app.save(call)

        def write(call: Call) -> None:
            for number in range(commits // writers):
                began = time.perf_counter()
                call.speak(**spoken(number))
                app.save(call)
                latencies.append(time.perf_counter() - began)

        began = time.perf_counter()
        with ThreadPoolExecutor(writers) as threads:
            for done in [threads.submit(write, call) for call in calls]:
                done.result()
        seconds = time.perf_counter() - began
        app.close()
        return latencies, seconds


def measure(append: Callable[[int, int], tuple[Latencies, float]], writers: int, commits: int, runs: int) -> list[str]:
    """Medians over runs of p50, p99 and commits per second, as text."""
    halves, tails, rates = [], [], []
    for _ in range(runs):
        latencies, seconds = append(writers, commits)
        latencies.sort()
        halves.append(latencies[len(latencies) // 2] * 1e3)
        tails.append(latencies[int(len(latencies) * 0.99)] * 1e3)
        rates.append(len(latencies) / seconds)
    return [f"{statistics.median(halves):.2f}", f"{statistics.median(tails):.2f}", f"{statistics.median(rates):,.0f}"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--commits", type=int, default=1000, help="commits per run (default 1000)")
    arguments.add_argument("--runs", type=int, default=3, help="runs whose median is shown (default 3)")
    given = arguments.parse_args()
    table = Table(title="append, one event per commit, flushed to disk")
    for heading in ("writers", "", "p50 ms", "p99 ms", "commits/s"):
        table.add_column(heading, justify="left" if not heading else "right")
    for writers in WRITERS:
        commits = max(given.commits, writers * 20)
        table.add_row(str(writers), "callfold log", *measure(append_to_log, writers, commits, given.runs))
        table.add_row("", "eventsourcing", *measure(append_to_library, writers, commits, given.runs), end_section=True)
    Console().print(table)


if __name__ == "__main__":
    main()

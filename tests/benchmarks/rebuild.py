"""How fast a call of thousands of events is rebuilt from SQLite, beside the library's way.

    python -m tests.benchmarks.rebuild [--events 5000] [--runs 5]

Both sides read every event from the file through ``Repository.get``, without snapshot or cache. The baseline is an
aggregate with ``@event`` methods on the JSON transcoder, of events of the same size.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from eventsourcing.application import Application
from rich.console import Console
from rich.table import Table

from tests.benchmarks.call_events import call_events
from tests.benchmarks.log_append import Call, embedded_log, spoken


def rate(rebuild: Callable[[], object], events: int, runs: int) -> str:
    rates = []
    for _ in range(runs):
        began = time.perf_counter()
        rebuild()
        rates.append(events / (time.perf_counter() - began))
    return f"{statistics.median(rates):,.0f}"


def rebuild_from_log(events: int, runs: int) -> tuple[str, str]:
    """Events per second to the call's whole state, and to decoded events alone."""
    made = list(call_events(events))
    with embedded_log() as log:
        now = datetime.now(UTC)
        for first in range(0, events, 1000):
            part = made[first : first + 1000]
            asyncio.run(log.record("call-1", part, [now] * len(part)))
        assert log.rebuilt("call-1").version == events
        store = log.application.events
        whole = rate(lambda: log.rebuilt("call-1"), events, runs)
        decoded = rate(lambda: sum(1 for _ in store.get("call-1")), events, runs)
        return whole, decoded


def rebuild_from_library(events: int, runs: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        app = Application[UUID](
            env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": f"file:{Path(folder)}/events.sqlite"}
        )
        with contextlib.closing(app):
            call = Call(org_id="org")
            for number in range(events - 1):
                call.speak(**spoken(number))
            app.save(call)
            return rate(lambda: app.repository.get(call.id), events, runs)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=5000, help="events of the call (default 5000)")
    arguments.add_argument("--runs", type=int, default=5, help="runs whose median is shown (default 5)")
    given = arguments.parse_args()
    whole, decoded = rebuild_from_log(given.events, given.runs)
    table = Table(title=f"rebuild of a call of {given.events:,} events from SQLite")
    table.add_column("")
    table.add_column("events/s", justify="right")
    table.add_row("callfold: Repository, msgspec, decide/evolve", whole)
    table.add_row("callfold: decoded events alone", decoded)
    table.add_row("eventsourcing: Repository, JSONTranscoder, @event", rebuild_from_library(given.events, given.runs))
    Console().print(table)


if __name__ == "__main__":
    main()

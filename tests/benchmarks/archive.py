"""Archiving, checking, restoring and asking: ``python -m tests.benchmarks.archive [events=100000]``.

The log holds calls of eighty events, two to a commit. Baselines of the same run: reading the log file's rows, and the
same questions asked of SQLite.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot
from streams.archive.archiver import archive_shard
from streams.archive.asking import opened_archive
from streams.archive.restoring import archived_log, restore
from streams.archive.source import opened_source
from streams.archive.verification import verify_archive
from streams.log.append import append_all
from streams.log.embedded import EmbeddedLog
from tests.benchmarks.call_events import call_events

PER_CALL = 80
PER_COMMIT = 2
RUNS = 3
START = datetime(2026, 11, 21, tzinfo=UTC)
CODEC = EventCodec()


def commits(call_id: str, begun: datetime, ids: random.Random) -> Iterator[Commit]:
    events = list(call_events(PER_CALL))
    for at in range(0, PER_CALL, PER_COMMIT):
        commit_id = str(uuid.UUID(int=ids.getrandbits(128)))
        some = events[at : at + PER_COMMIT]
        yield Commit(
            commit_id=commit_id,
            slots=tuple(Slot(call_id, at + index + 1) for index in range(len(some))),
            topics=tuple(event.TYPE for event in some),
            bodies=tuple(
                CODEC.encode(event, id=f"{commit_id}.{index}", time=begun + timedelta(seconds=at))
                for index, event in enumerate(some)
            ),
        )


def fill(path: Path, events: int) -> str:
    """Make the log; the id of one of its calls."""
    ids = random.Random(1)
    call_id = ""
    with closing(EmbeddedLog.open(path, clock=lambda: START, new_id=lambda: "")) as log:
        for number in range(events // PER_CALL):
            call_id = str(uuid.UUID(int=ids.getrandbits(128)))
            with log.application.datastore.transaction(commit=True) as cursor:
                made = list(commits(call_id, START + timedelta(minutes=number), ids))
                append_all(cursor.sqlite_cursor.connection, made)
    return call_id


def timed(name: str, work: Callable[[Path], object], folder: Path, *, events: int = 0) -> None:
    """Median of several runs, each with a place of its own."""
    walls, processor = [], []
    for _ in range(RUNS):
        place = Path(tempfile.mkdtemp(dir=folder))
        wall, cpu = time.perf_counter(), time.process_time()
        work(place)
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    wall, cpu = statistics.median(walls), statistics.median(processor)
    speed = f"{events / wall:10,.0f} events/s {events / cpu:10,.0f} per CPU second" if events else ""
    print(f"{name:44} {wall * 1e3:9,.1f} ms {speed}")


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, archive = folder / "log.db", folder / "archive"
        call_id = fill(log, events)

        def archived(to: Path) -> None:
            with opened_source(log, 0) as source:
                archive_shard(source, to)

        def of_log(statement: str) -> Callable[[Path], object]:
            def ask(_: Path) -> None:
                with closing(sqlite3.connect(log)) as connection:
                    connection.execute(statement).fetchall()

            return ask

        def of_archive(statement: str) -> Callable[[Path], object]:
            def ask(_: Path) -> None:
                with opened_archive(archive) as opened:
                    opened.ask(statement, limit=1_000)

            return ask

        archived(archive)
        size = sum(path.stat().st_size for path in archive.rglob("*.parquet"))
        print(f"{events} events: {log.stat().st_size / events:.0f} bytes each in the log, {size / events:.0f} archived")
        timed("read the log's rows (baseline)", of_log("SELECT * FROM stored_events"), folder, events=events)
        timed("archive", archived, folder, events=events)
        timed("verify the archive", lambda _: verify_archive(archive), folder, events=events)
        log_name, by_shard = archived_log(archive)
        timed("restore", lambda to: restore(log_name, by_shard[0], to / "log.db"), folder, events=events)
        one = f"SELECT * FROM {{}} WHERE originator_id='{call_id}'"
        timed("one call, SQLite (baseline)", of_log(one.format("stored_events")), folder)
        timed("one call, archive", of_archive(one.format("events")), folder)
        tools = "SELECT {} AS tool, count(*) FROM {} WHERE {}='call.tool_called' GROUP BY 1"
        named = "json_extract(CAST(state AS TEXT), '$.data.name')"
        timed(
            "calls of tools by name, SQLite (baseline)", of_log(tools.format(named, "stored_events", "topic")), folder
        )
        timed("calls of tools by name, archive", of_archive(tools.format("data->>'name'", "events", "type")), folder)
        said = "SELECT count(*) FROM {} WHERE {} LIKE '%half past eleven%'"
        timed("search in all bodies, SQLite (baseline)", of_log(said.format("stored_events", "state")), folder)
        timed("search in all bodies, archive", of_archive(said.format("events", "body")), folder)


if __name__ == "__main__":
    main()

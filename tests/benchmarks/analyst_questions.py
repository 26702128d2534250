"""How long analysts wait: ``python -m tests.benchmarks.analyst_questions [--calls 1000000] [--folder FOLDER]``.

On synthetic calls of ninety days (``tests.benchmarks.call_warehouse``; FOLDER is filled where it does not exist yet,
and kept): every question of docs/analytics.md, every kind of insight over a week and over everything, a board of twenty
tiles of a week asked at once, words in transcripts, and pages of the list of calls behind three filters. All for the
organisation with seven of ten calls. CPU is that of all threads of the engine, which on a busy machine says more than
the clock. The baseline of the same run is DuckDB over an archive of fewer of these calls.

``--calls 10000000 --event-calls 500000`` keeps the events of a part of the calls only: all of them would take most of
the disk, and few questions read them.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from domain.analytics import InsightAsked, QueryRejected
from domain.insights.overview import INSIGHTS
from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot
from projections import schema
from projections.analytics.engine import ClickHouseAnalytics
from projections.store import AnalyticsStore, Limits
from streams.archive.archiver import archive_shard
from streams.archive.asking import opened_archive
from streams.archive.source import opened_source
from streams.log.append import append_all
from streams.log.embedded import EmbeddedLog
from tests.benchmarks.call_histories import BEGIN, call_histories, in_order
from tests.benchmarks.call_warehouse import DAYS, check_space, fill, sizes

PAGE = Path(__file__).parents[2] / "docs" / "analytics.md"
EXAMPLE_CALL = "0199f3a2-6c10-7b45-9a9e-2d1f5f8c7b10"
ORG = "org-large"
NOW = BEGIN + timedelta(days=DAYS)
WEEK, EVERYTHING = {"start": "-7d"}, {"start": f"-{DAYS}d"}


def questions() -> dict[str, str]:
    """The statements of the page by their titles."""
    text = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r"^## (.*?)\n.*?```sql\n(.*?)```", text, re.MULTILINE | re.DOTALL))


def shown(name: str, seconds: Sequence[float], processor: Sequence[float] = (), note: str = "") -> None:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    used = f"{statistics.median(processor) * 1e3:9,.0f}" if processor else " " * 9
    print(f"{name:72.72} {statistics.median(ordered) * 1e3:9,.0f} {p95 * 1e3:9,.0f} {used} {note}", flush=True)


async def timed(name: str, ask: Callable[[], Any], runs: int, note: str = "") -> None:
    """Median and 95th percentile in milliseconds, the first run (cold) left out."""
    seconds, processor = [], []
    try:
        for _ in range(runs + 1):
            begun, used = time.perf_counter(), time.process_time()
            await ask()
            seconds.append(time.perf_counter() - begun)
            processor.append(time.process_time() - used)
    except QueryRejected as refused:
        print(f"{name:72.72} refused: {str(refused)[:80]}", flush=True)
        return
    shown(name, seconds[1:], processor[1:], note)


def _query(table: str, **asked: Any) -> dict[str, Any]:
    return {"type": "vapiql-json", "table": table, **asked}


def insight_kinds() -> dict[str, dict[str, Any]]:
    """One of every type, and of every source that it can have."""
    count = _query("call", column="id", operation="count", name="n")
    errors = {"column": "endedReason", "operator": "contains", "value": "error"}
    long = {"column": "duration", "operator": ">", "value": 30}
    return {
        "text": {"type": "text", "queries": [count]},
        "text with a formula and filters": {
            "type": "text",
            "queries": [count, _query("call", column="id", operation="count", name="bad", filters=[errors, long])],
            "formula": {"formula": "{{bad}} / {{n}} * 100"},
        },
        "pie by ended reason": {"type": "pie", "queries": [count], "groupBy": "endedReason"},
        "line of five latencies": dict(INSIGHTS["latencies"]),
        "bar by assistant": {
            "type": "bar",
            "queries": [_query("call", column="cost", operation="average", name="usd")],
            "groupBy": "assistantId",
        },
        "bar of tool time-outs per hundred calls": {
            "type": "bar",
            "queries": [_query("events", on="assistant.tool.timeout", operation="percentage", name="late")],
        },
        "bar of interruptions by type": {
            "type": "bar",
            "queries": [_query("events", on="pipeline.cleared", operation="count", name="cuts")],
            "groupBy": "type",
        },
        "bar of final transcripts (the events table)": {
            "type": "bar",
            "queries": [_query("events", on="assistant.transcriber.finalTranscript", operation="count", name="heard")],
        },
    }


async def live(store: AnalyticsStore, runs: int) -> None:
    # Statements of analysts run behind everything else; here there may be much else, and it is they that are measured.
    analytics = ClickHouseAnalytics(store, clock=lambda: NOW, limits=Limits(seconds=120, niceness=0))
    print(f"{'':72} {'median ms':>9} {'p95 ms':>9} {'CPU ms':>9}")
    kinds = insight_kinds()
    for name, config in kinds.items():
        for span, days in ((WEEK, "7 days"), (EVERYTHING, f"{DAYS} days")):
            asked = InsightAsked(config=config, time_range=span)
            await timed(f"insight: {name}", partial(analytics.insight, ORG, asked), runs, days)
    tiles = [InsightAsked(config=dict(config)) for config in (*INSIGHTS.values(), *list(kinds.values())[:7])]
    tiles += tiles[:5]
    await timed(
        f"a board of {len(tiles)} tiles, all at once",
        lambda: asyncio.gather(*(analytics.insight(ORG, tile) for tile in tiles)),
        max(runs, 10),
        "7 days",
    )
    for words, condition in (
        ("one word", "hasToken(lower(text), 'appointment')"),
        ("a part of a word", "position(lower(text), 'ppointm') > 0"),
        ("a word that nobody said", "hasToken(lower(text), 'zeppelin')"),
    ):
        statement = f"SELECT call_id, role, text FROM messages WHERE {condition} LIMIT 100"
        await timed(f"transcripts: {words}", partial(analytics.sql, statement, org_id=ORG), runs)
    call_id = store.client().command(
        f"SELECT call_id FROM turns WHERE org_id = '{ORG}' AND interrupted_by IS NOT NULL LIMIT 1"
    )
    for title, text in questions().items():
        if not title.startswith("In the archive"):
            statement = text.replace(EXAMPLE_CALL, str(call_id))
            await timed(title, partial(analytics.sql, statement, org_id=ORG), runs)
    analytics.close()


def call_list(calls: int, runs: int) -> None:
    """Pages behind three filters, of documents without bodies: finding them is what grows with their number."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        with closing(EmbeddedLog.open(path, clock=lambda: NOW, new_id=lambda: "")) as log:
            datastore = log.application.datastore
            step = timedelta(days=DAYS) / calls
            with datastore.transaction(commit=True) as cursor:
                cursor.sqlite_cursor.connection.executemany(
                    "INSERT INTO documents (id, kind, org_id, created_at, updated_at, status, reference, deleted, "
                    "version) VALUES (?, 'call', ?, ?, ?, 'ended', ?, 0, 40)",
                    (
                        (
                            *(f"0199f3a2-6c10-7b45-9a9e-{number:012}", ORG if number % 10 < 7 else "org-middle"),
                            *(_micros(BEGIN + step * number), _micros(BEGIN + step * number + timedelta(minutes=2))),
                            f"7c1f9a3e-3f0a-4d0e-9a55-{number % 6:012}",
                        )
                        for number in range(calls)
                    ),
                )
            week = (("ge", BEGIN + timedelta(days=30)), ("le", BEGIN + timedelta(days=37)))
            rare = "7c1f9a3e-3f0a-4d0e-9a55-000000000009"
            for name, filters in {
                "an assistant without calls, created from, created until": {"reference": rare, "created": week},
                "an assistant without calls, created from, changed until": {
                    **{"reference": rare, "created": (("ge", BEGIN),)},
                    "updated": (("le", NOW),),
                },
                "created from, created until, changed until (none)": {
                    **{"created": (("ge", BEGIN), ("le", NOW))},
                    "updated": (("lt", BEGIN),),
                },
                "created until, changed from, changed until (none)": {
                    "created": (("le", BEGIN + timedelta(days=30)),),
                    "updated": (("ge", BEGIN + timedelta(days=40)), ("le", NOW)),
                },
            }.items():
                seconds, processor = [], []
                for _ in range(runs + 1):
                    begun, used = time.perf_counter(), time.process_time()
                    log.list("call", org_id=ORG, **filters)  # type: ignore[arg-type]  # filters of several types
                    seconds.append(time.perf_counter() - begun)
                    processor.append(time.process_time() - used)
                shown(f"list of calls: {name}", seconds[1:], processor[1:])


def _micros(time_: datetime) -> int:
    return int(time_.timestamp() * 1_000_000)


def archived(calls: int, runs: int) -> None:
    """The baseline: DuckDB over Parquet files of the log."""
    codec = EventCodec()
    recorded = in_order(list(call_histories(1, calls)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(EmbeddedLog.open(folder / "log.db", clock=lambda: NOW, new_id=lambda: "")) as log:
            commits = [
                Commit(
                    commit_id=str(uuid5(NAMESPACE_OID, one.id)),
                    slots=(Slot(one.originator_id, one.originator_version),),
                    topics=(one.event.TYPE,),
                    bodies=(codec.encode(one.event, id=one.id, time=one.time),),
                )
                for one in recorded
            ]
            with log.application.datastore.transaction(commit=True) as cursor:
                append_all(cursor.sqlite_cursor.connection, commits)
        with opened_source(folder / "log.db", 0) as source:
            archive_shard(source, folder / "archive")
        print(f"\nDuckDB over the archive of {calls:,} of these calls, {len(recorded):,} events")
        with opened_archive(folder / "archive") as opened:
            for title, text in questions().items():
                if title.startswith("In the archive"):
                    statement = text.replace(EXAMPLE_CALL, recorded[0].originator_id)
                    seconds = [opened.ask(statement, limit=10_000).elapsed_ms / 1e3 for _ in range(runs + 1)]
                    shown(title, seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--archived", type=int, default=5_000, help="calls in the archive of the baseline")
    parser.add_argument("--event-calls", type=int, help="calls whose events are kept (default: of all)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = given.folder or Path(thrown_away) / "clickhouse"
        fresh = not folder.exists()
        store = AnalyticsStore.open(folder)
        schema.upgrade(store)
        if fresh:
            check_space(folder, given.calls, given.event_calls)
            fill(store, given.calls, event_calls=given.event_calls)
            for name, count, size in sizes(store):
                print(f"{name:20}{count:14,} rows {size / 1e6:12,.1f} MB")
        rows = store.client().command("SELECT count() FROM calls")
        print(f"{rows:,} calls, {store.client().command('SELECT count() FROM events_v1'):,} events")
        asyncio.run(live(store, given.runs))
        store.close()
    call_list(given.calls, given.runs)
    archived(given.archived, given.runs)


if __name__ == "__main__":
    main()

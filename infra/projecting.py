"""The analytics side of a node: the engine, the folds that fill its tables, the queries, and their upkeep."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.dependencies import Maintenance
from domain.analytics import Analytics, InsightAsked, QueryProblem, QueryRejected, SqlResult
from domain.fragments import FragmentFeed
from domain.log.ports import EventLog
from infra.data_folder import DataFolder
from infra.identifiers import now
from infra.maintenance import EmbeddedMaintenance, fold_workers
from projections.analytics.engine import ClickHouseAnalytics
from projections.deleted_calls import bring_in_deleted_calls
from projections.encoding import encode_rows
from projections.folds import PROCESSORS
from projections.fragment_sink import FragmentSink
from projections.retention import keep_for, parse_retention
from projections.schema import upgrade
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore, Limits
from projections.tables.fragments import FragmentTable
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.feeding import FragmentFollower
from streams.processing.fragments import FragmentPipeline
from streams.processing.pipeline import Bulk, Pipeline

_PIPELINE = "tables"


@dataclass(frozen=True, slots=True)
class Fragments:
    """Where fragments come from, for how many days their rows are kept (0: for ever), and whether with their words."""

    feed: FragmentFeed
    days: int
    keep_words: bool


@dataclass(frozen=True, slots=True)
class Projecting:
    """Queries, and the upkeep of tables that a runner for each shard keeps filling from the log; without runners
    another process does."""

    analytics: Analytics
    log: EventLog
    maintenance: Maintenance | None = None
    runners: Mapping[int, EmbeddedRunner] = field(default_factory=dict)
    fragments: tuple[FragmentFollower, ...] = ()

    def trouble(self) -> str:
        """Why tables are not filled; empty while they are. Asks the log for its end."""
        for runner in self.runners.values():
            for name, status in runner.status().items():
                if status.failure is not None:
                    return f"the pipeline {name} has stopped: {status.failure}"
                if status.refused:
                    return f"the pipeline {name} waits: {status.refused}"
        for follower in self.fragments:
            if (failure := follower.failure) is not None:
                return f"the pipeline {follower.pipeline.name} has stopped: {failure}"
        return ""

    async def caught_up(self) -> None:
        """Wait until the tables hold everything that is on the log now. Bound it with ``asyncio.timeout``."""
        for shard, runner in self.runners.items():
            await runner.reached(self.log.head(shard))


class ClosedAnalytics:
    """``Analytics`` of a process that left the engine closed."""

    async def run(self, org_id: str, queries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        raise QueryRejected([QueryProblem("queries", "cannot be answered: the analytics engine is not open here")])

    async def insight(self, org_id: str, asked: InsightAsked) -> dict[str, Any]:
        raise QueryRejected([QueryProblem("queries", "cannot be answered: the analytics engine is not open here")])

    async def sql(self, statement: str, *, org_id: str | None = None, limit: int = 10_000) -> SqlResult:
        raise QueryRejected([QueryProblem("sql", "cannot be answered: the analytics engine is not open here")])


@contextlib.asynccontextmanager
async def opened_projecting(
    location: str,
    folder: DataFolder,
    log: EventLog,
    shards: Sequence[int],
    *,
    fill: bool = True,
    fragments: Fragments | None = None,
    table_days: str = "",
    statement_disk_mb: int,
) -> AsyncIterator[Projecting]:
    """Open the engine (``embedded``, or a server's URL), bring its tables up to this code, and ``fill`` them from all
    ``shards`` of the log, and the table of fragments from ``fragments``.

    One process of an installation fills them, and sees to it that rows leave after ``table_days``. Questions to them
    may keep ``statement_disk_mb`` on the disk meanwhile. Raises ``StoreUnavailable``.
    """
    store = await asyncio.to_thread(_open_store, folder.clickhouse if location == "embedded" else location)
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(asyncio.to_thread, store.close)
        analytics = ClickHouseAnalytics(store, clock=now, limits=Limits(disk_bytes=statement_disk_mb * 1024 * 1024))
        closing.push_async_callback(asyncio.to_thread, analytics.close)
        if not fill:
            yield Projecting(analytics, log)
            return
        await asyncio.to_thread(bring_in_deleted_calls, store)
        await asyncio.to_thread(keep_for, store, parse_retention(table_days))
        letters = DeadLetters(folder.processing)
        closing.callback(letters.close)
        sink = ClickHouseSink(store)
        bulk = Bulk(encode_rows, sink.write_encoded, workers=fold_workers(log))
        runners = {}
        for shard in shards:
            pipelines = [Pipeline(_PIPELINE, PROCESSORS, sink, bulk)]
            runners[shard] = EmbeddedRunner(log, pipelines, letters, clock=now, shard=shard)
            await runners[shard].start()
            closing.push_async_callback(runners[shard].stop)
        follower = None
        if fragments is not None:
            follower = await asyncio.to_thread(_followed, fragments, store, letters)
            closing.push_async_callback(asyncio.to_thread, follower.stop)
        maintenance = EmbeddedMaintenance(runners, letters, log, store, sink, follower)
        yield Projecting(analytics, log, maintenance, runners, (follower,) if follower else ())


def _followed(fragments: Fragments, store: AnalyticsStore, letters: DeadLetters) -> FragmentFollower:
    sink = FragmentSink(store)
    sink.expire_after(fragments.days)
    pipeline = FragmentPipeline("fragments", (FragmentTable(fragments.keep_words),), sink)
    follower = FragmentFollower(fragments.feed, pipeline, letters, clock=now)
    follower.start()
    return follower


def _open_store(location: str | Path) -> AnalyticsStore:
    store = AnalyticsStore.open(location)
    try:
        upgrade(store)
    except BaseException:
        store.close()
        raise
    return store

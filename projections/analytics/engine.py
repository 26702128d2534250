"""Answering the analytics port from the store, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import Any, TypeVar

from clickhouse_connect.driver.exceptions import DatabaseError

from domain.analytics import InsightAsked, QueryProblem, QueryRejected, SqlResult
from domain.log.ports import Clock
from projections.analyst_sql import run_statement
from projections.analytics.compile import compile_query
from projections.analytics.grammar import Query, parse
from projections.calendar import shown_bucket, shown_time
from projections.insights.run import run_insight
from projections.store import AnalyticsStore, Limits

T = TypeVar("T")

THREADS = 2
"""Queries run at a time; more would only share the same cores and memory."""

QUERY_LIMITS = Limits(seconds=20.0, memory_bytes=2 << 30, result_rows=100_000, threads=0, niceness=0)
"""What one compiled query may take. It reads a bounded number of columns, so this is far from ordinary, and somebody
waits for it. What it may take of the disk is what an analyst's statement may."""

DECIMALS = 9
"""Figures are rounded here: sums of money in binary floating point end in noise."""


class ClickHouseAnalytics:
    """Implements ``domain.analytics.Analytics``."""

    def __init__(self, store: AnalyticsStore, *, clock: Clock, limits: Limits | None = None) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits or Limits()
        self._query_limits = replace(QUERY_LIMITS, disk_bytes=self._limits.disk_bytes)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="analytics")

    async def run(self, org_id: str, queries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """See ``Analytics.run``. Results stand in the order of the queries."""
        parsed = parse(queries, now=self._clock())
        return await asyncio.gather(*(self._off_loop(partial(self._answer, query, org_id)) for query in parsed))

    async def insight(self, org_id: str, asked: InsightAsked) -> dict[str, Any]:
        """See ``Analytics.insight``."""
        now = self._clock()
        return await self._off_loop(lambda: run_insight(self._store, org_id, asked, now=now, limits=self._query_limits))

    async def sql(self, statement: str, *, org_id: str | None = None, limit: int = 10_000) -> SqlResult:
        """See ``Analytics.sql``. With ``org_id`` only that organisation's rows exist for the statement."""
        limits = replace(self._limits, result_rows=min(limit, self._limits.result_rows))
        return await self._off_loop(lambda: run_statement(self._store, statement, org_id=org_id, limits=limits))

    def close(self) -> None:
        """Wait for running queries and end the threads; the store stays open."""
        self._pool.shutdown()

    async def _off_loop(self, what: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, what)

    def _answer(self, query: Query, org_id: str) -> dict[str, Any]:
        statement = compile_query(query, org_id)
        try:
            found = self._store.client().query(
                statement.sql, parameters=dict(statement.parameters), settings=self._query_limits.settings()
            )
        except DatabaseError as error:
            raise QueryRejected([QueryProblem(query.name, f"could not be answered: {error}")]) from error
        time_range = query.time_range
        shown = {
            "start": shown_time(time_range.start),
            "end": shown_time(time_range.end),
            "timezone": time_range.timezone,
        }
        if time_range.step is not None:
            shown = {"step": time_range.step, **shown}
        rows = [
            {
                name: shown_bucket(value) if name == "date" and time_range.step is not None else _shown(value)
                for name, value in zip(statement.names, row, strict=True)
            }
            for row in found.result_rows
        ]
        return {"name": query.name, "timeRange": shown, "result": rows}


def _shown(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS) if isfinite(value) else None
    return value

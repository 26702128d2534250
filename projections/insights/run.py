"""Running an insight on the store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from clickhouse_connect.driver.exceptions import DatabaseError

from domain.analytics import InsightAsked, QueryProblem, QueryRejected
from domain.insights.definition import read_insight, read_time_range
from domain.insights.time_range import TimeRangeInvalid, resolved
from projections.calendar import shown_time
from projections.insights.compile import MOST_ROWS, Statement, compile_insight
from projections.insights.results import charted, insight_rows
from projections.store import AnalyticsStore, Limits


def run_insight(
    store: AnalyticsStore, org_id: str, asked: InsightAsked, *, now: datetime, limits: Limits
) -> dict[str, Any]:
    """See ``domain.analytics.Analytics.insight``. Blocking."""
    insight = read_insight(asked.config)
    if asked.time_range is not None:
        insight = msgspec.structs.replace(insight, time_range=read_time_range(asked.time_range, "timeRangeOverride"))
    try:
        span = resolved(insight.time_range, now)
    except TimeRangeInvalid as fault:
        field = "timeRange" if asked.time_range is None else "timeRangeOverride"
        raise QueryRejected([QueryProblem(f"{field}.{fault.field}", fault.rule)]) from None
    compiled = compile_insight(insight, span, org_id, asked.assistant_id)
    rows = insight_rows(insight, compiled, [(part, _found(store, part, limits)) for part in compiled.statements])
    shown = {"start": shown_time(span.start), "end": shown_time(span.end), "timezone": span.timezone}
    answer = {
        "format": asked.format,
        "timeRange": shown if insight.step is None else {"step": insight.step, **shown},
        "result": charted(insight, rows) if asked.format == "recharts" else rows,
    }
    return answer | ({"notRecorded": list(compiled.not_recorded)} if compiled.not_recorded else {})


def _found(store: AnalyticsStore, statement: Statement, limits: Limits) -> list[tuple[Any, ...]]:
    settings = limits.settings()
    try:
        found = store.client().query(statement.sql, parameters=statement.parameters, settings=settings)
    except DatabaseError as error:
        raise QueryRejected([QueryProblem("queries", f"could not be answered: {error}")]) from error
    if len(found.result_rows) > MOST_ROWS:
        raise QueryRejected(
            [
                QueryProblem(
                    "timeRange", f"gives more than {MOST_ROWS} rows; narrow it, or take longer steps or no group"
                )
            ]
        )
    return [tuple(row) for row in found.result_rows]

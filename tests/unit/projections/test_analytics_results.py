"""Given seeded calls in a real engine, then every figure equals one computed straightforwardly in Python."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.analytics import QueryRejected
from projections.analytics.engine import ClickHouseAnalytics
from projections.analytics.vocabulary import COLUMNS, GROUPS
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.tables.catalogue import BY_NAME
from tests.unit.projections.conftest import folded, rows_of
from tests.unit.projections.histories import BEGIN, on_log

SEED, CALLS = 7, 140
NOW = BEGIN + timedelta(days=21)
SPAN = {"start": BEGIN.isoformat(), "end": NOW.isoformat()}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def calls(store: AnalyticsStore) -> list[Row]:
    """The newest row of each call that was not deleted, as Python sees them; the engine has all rows."""
    log = on_log(SEED, CALLS)
    rows = folded(log)
    ClickHouseSink(store).write(log[0].position, log[-1].position, rows)
    newest = {
        row["call_id"]: row
        for row in (dict(zip(BY_NAME["calls"].column_names, row, strict=True)) for row in rows_of(rows, "calls"))
    }
    return [row for row in newest.values() if row["deleted_at"] is None]


@pytest.fixture
async def analytics(store: AnalyticsStore, calls: list[Row]) -> AsyncIterator[ClickHouseAnalytics]:
    engine = ClickHouseAnalytics(store, clock=lambda: NOW)
    yield engine
    engine.close()


def iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bucket(time: datetime, step: str, timezone: str) -> str:
    """The begin of the time's bucket by the calendar of the zone."""
    local = time.astimezone(ZoneInfo(timezone))
    day = local.date()
    match step:
        case "second" | "minute" | "hour":
            kept = {"second": 6, "minute": 5, "hour": 4}[step]
            return iso(datetime(*local.timetuple()[:kept], tzinfo=local.tzinfo, fold=local.fold))
        case "day":
            begin = day
        case "week":
            begin = day - timedelta(days=day.weekday())
        case "month":
            begin = day.replace(day=1)
        case "quarter":
            begin = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
        case "year":
            begin = date(day.year, 1, 1)
        case "decade":
            begin = date(day.year // 10 * 10, 1, 1)
        case "century":
            begin = date((day.year - 1) // 100 * 100 + 1, 1, 1)
        case _:
            begin = date((day.year - 1) // 1000 * 1000 + 1, 1, 1)
    return iso(datetime(begin.year, begin.month, begin.day, tzinfo=ZoneInfo(timezone)))


AGGREGATES: dict[str, Callable[[list[float]], float | None]] = {
    "count": len,
    "sum": sum,
    "avg": lambda values: fmean(values) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
}


def expected(calls: list[Row], query: Row) -> list[Row]:
    """The same question answered row by row."""
    time_range = query.get("timeRange", {})
    begin = datetime.fromisoformat(time_range.get("start", iso(NOW - timedelta(days=7))))
    end = datetime.fromisoformat(time_range.get("end", iso(NOW)))
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    names = [*query.get("groupBy", []), *(variable["key"] for variable in query.get("groupByVariableValue", []))]
    if step := time_range.get("step"):
        names.insert(0, "date")
    else:
        if not names:
            groups[()] = []
    for call in calls:
        if call["org_id"] == "org-a" and begin <= call["created_at"] < end:
            key = [call[GROUPS[name]] for name in query.get("groupBy", [])]
            key += [call["variable_values"].get(v["key"]) for v in query.get("groupByVariableValue", [])]
            if step:
                key.insert(0, bucket(call["created_at"], step, time_range.get("timezone", "UTC")))
            groups[tuple(key)].append(call)
    rows = []
    for key, members in groups.items():
        row = dict(zip(names, key, strict=True))
        for number, operation in enumerate(query["operations"]):
            column = COLUMNS[operation["column"]].sql
            values = [call[column] for call in members if call[column] is not None]
            row[f"v{number}"] = AGGREGATES[operation["operation"]](values)
        rows.append(row)
    return rows


def same(found: list[Row], wanted: list[Row], keys: list[str]) -> None:
    def ordered(rows: list[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: [str(row[key]) for key in keys])

    assert len(found) == len(wanted)
    for got, want in zip(ordered(found), ordered(wanted), strict=True):
        assert got.keys() == want.keys()
        for name, value in want.items():
            assert got[name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value), (
                name,
                got,
                want,
            )


def seeded_queries() -> Iterator[Row]:
    random_ = random.Random(3)
    operations = [
        (operation, column)
        for column, readable in COLUMNS.items()
        if readable.table == "call"
        for operation in readable.operations
    ]
    zones = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
    steps = ("second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium")
    for number in range(44):
        query: Row = {
            "table": "call",
            "name": f"query {number}",
            "operations": [
                {"operation": operation, "column": column, "alias": f"v{index}"}
                for index, (operation, column) in enumerate(random_.sample(operations, 4))
            ],
        }
        if random_.random() < 0.7:
            query["groupBy"] = random_.sample(sorted(GROUPS), random_.randint(1, 2))
        if random_.random() < 0.5:
            query["groupByVariableValue"] = [{"key": random_.choice(("tier", "customerName", "missing"))}]
        time_range: Row = {} if random_.random() < 0.2 else dict(SPAN)
        if random_.random() < 0.8:
            time_range["step"] = steps[number % len(steps)]
        if random_.random() < 0.7:
            time_range["timezone"] = random_.choice(zones)
        if time_range:
            query["timeRange"] = time_range
        yield query


@pytest.mark.parametrize("query", list(seeded_queries()), ids=lambda query: query["name"])
async def test_a_query_gives_what_counting_by_hand_gives(
    analytics: ClickHouseAnalytics, calls: list[Row], query: Row
) -> None:
    [result] = await analytics.run("org-a", [query])
    keys = [*query.get("groupBy", []), *(v["key"] for v in query.get("groupByVariableValue", []))]
    same(result["result"], expected(calls, query), [*keys, "date"] if "step" in query.get("timeRange", {}) else keys)


async def test_the_time_range_is_echoed_with_its_defaults(analytics: ClickHouseAnalytics) -> None:
    count = {"table": "call", "name": "Calls", "operations": [{"operation": "count", "column": "id"}]}
    plain, stepped = await analytics.run("org-a", [count, {**count, "timeRange": {"step": "day"}}])
    assert plain["name"] == "Calls"
    assert plain["timeRange"] == {"start": iso(NOW - timedelta(days=7)), "end": iso(NOW), "timezone": "UTC"}
    assert stepped["timeRange"]["step"] == "day"
    assert list(stepped["result"][0]) == ["date", "countId"]


async def test_an_organisation_without_calls_has_none(analytics: ClickHouseAnalytics) -> None:
    query: Row = {
        "table": "call",
        "name": "Nothing",
        "operations": [{"operation": "count", "column": "id"}, {"operation": "avg", "column": "duration"}],
    }
    total, daily = await analytics.run("org-z", [query, {**query, "timeRange": {"step": "day"}}])
    assert total["result"] == [{"countId": 0, "avgDuration": None}]
    assert daily["result"] == []


def running(calls: list[Row], at: datetime) -> int:
    return sum(
        call["org_id"] == "org-a" and call["started_at"] is not None and call["started_at"] <= at < call["ended_at"]
        for call in calls
    )


@pytest.mark.parametrize("step", [None, "second", "minute", "hour", "day"])
async def test_concurrency_is_the_most_calls_that_ran_at_once(
    analytics: ClickHouseAnalytics, calls: list[Row], step: str | None
) -> None:
    """The most calls run at a moment when one begins, or at the begin of the bucket into which they run on."""
    day = {"start": "2026-10-03T00:00:00Z", "end": "2026-10-06T00:00:00Z"}
    query: Row = {
        "table": "subscription",
        "name": "Concurrency",
        "operations": [{"operation": "max", "column": "concurrency"}],
        "timeRange": {**day, **({"step": step} if step else {})},
    }
    [result] = await analytics.run("org-a", [query])
    begin, end = (datetime.fromisoformat(day[name]) for name in ("start", "end"))
    moments = {begin} | {c["started_at"] for c in calls if c["started_at"] and begin <= c["started_at"] < end}
    if step is None:
        assert result["result"] == [{"maxConcurrency": max(running(calls, moment) for moment in moments)}]
        return
    width = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[step]
    reached = (
        begin + timedelta(seconds=width * number)
        for call in calls
        if call["started_at"] is not None
        for number in range(
            int((call["started_at"] - begin).total_seconds()) // width,
            int((call["ended_at"] - begin).total_seconds()) // width + 1,
        )
    )
    ticks = {tick for tick in reached if begin <= tick < end}
    most: dict[str, int] = defaultdict(int)
    for moment in (*moments, *ticks):
        key = bucket(moment, step, "UTC")
        most[key] = max(most[key], running(calls, moment))
    wanted = {key: count for key, count in most.items() if count}
    assert {row["date"]: row["maxConcurrency"] for row in result["result"] if row["maxConcurrency"]} == wanted


async def test_minutes_used_are_those_of_the_calls(analytics: ClickHouseAnalytics, calls: list[Row]) -> None:
    query: Row = {
        "table": "subscription",
        "name": "Minutes",
        "operations": [{"operation": "sum", "column": "minutesUsed"}],
        "timeRange": SPAN,
    }
    [result] = await analytics.run("org-a", [query])
    minutes = sum((call["duration_seconds"] or 0) / 60 for call in calls if call["org_id"] == "org-a")
    assert result["result"] == [{"sumMinutesUsed": pytest.approx(minutes)}]


async def test_one_wrong_query_stops_all(analytics: ClickHouseAnalytics) -> None:
    right: Row = {"table": "call", "name": "Calls", "operations": [{"operation": "count", "column": "id"}]}
    with pytest.raises(QueryRejected, match=r"queries\.1\.table"):
        await analytics.run("org-a", [right, {**right, "table": "chat"}])

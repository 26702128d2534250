"""Given seeded calls in a real engine, then every figure of an insight equals one computed plainly in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any

import pytest

from domain.analytics import InsightAsked, QueryRejected
from domain.call.events import AssistantInterrupted, ToolFailed, TurnMeasured
from domain.insights.event_names import EVENT_NAMES
from domain.insights.overview import INSIGHTS as SYSTEM_INSIGHTS
from domain.insights.words import GROUPS, NUMBERS, OPERATORS, TEXTS
from domain.log.ports import Positioned
from projections.analytics.engine import ClickHouseAnalytics
from projections.insights.vocabulary import COLUMNS, OCCURRENCES
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.tables.catalogue import BY_NAME
from tests.unit.projections.conftest import folded, rows_of
from tests.unit.projections.histories import BEGIN, on_log

NOW = BEGIN + timedelta(days=21)
SPAN = {"start": BEGIN.isoformat(), "end": NOW.isoformat()}
BOOKED = "7c1f9a3e-3f0a-4d0e-9a55-3a8f5a1f6b11"
RATING = "8d2e0b4f-4a1b-4e1f-8b66-4b9a6b2a7c22"

Row = dict[str, Any]


@pytest.fixture(scope="module")
def log() -> Sequence[Positioned]:
    return on_log(7, 120)


@pytest.fixture(scope="module")
def calls(store: AnalyticsStore, log: Sequence[Positioned]) -> list[Row]:
    """The newest row of each of org-a's calls that was not deleted. Some have results of structured outputs."""
    rows = folded(log)
    ClickHouseSink(store).write(log[0].position, log[-1].position, rows)
    columns = BY_NAME["calls"].column_names
    newest = {row["call_id"]: row for row in (dict(zip(columns, row, strict=True)) for row in rows_of(rows, "calls"))}
    kept = [row for row in newest.values() if row["deleted_at"] is None and row["org_id"] == "org-a"]
    for index, row in enumerate(kept):
        if index % 3:
            row["structured_outputs"] = {BOOKED: "true" if index % 2 else "false", RATING: str(index % 5)}
            row["log_ordinal"] += 1_000_000
            store.client().insert("calls_v1_newest", [list(row.values())], column_names=list(row))
    return kept


@pytest.fixture
async def analytics(store: AnalyticsStore, calls: list[Row]) -> AsyncIterator[ClickHouseAnalytics]:
    engine = ClickHouseAnalytics(store, clock=lambda: NOW)
    yield engine
    engine.close()


def figure(column: str, operation: str, name: str = "figure", filters: Sequence[Row] = ()) -> Row:
    return {
        **{"type": "vapiql-json", "table": "call", "column": column, "operation": operation},
        **{"name": name, "filters": list(filters)},
    }


def happening(on: str, operation: str = "count", name: str = "figure", filters: Sequence[Row] = ()) -> Row:
    return {
        **{"type": "vapiql-json", "table": "events", "on": on, "operation": operation},
        **{"name": name, "filters": list(filters)},
    }


async def answered(analytics: ClickHouseAnalytics, config: Row, **asked: Any) -> list[Row]:
    config = {"timeRange": SPAN, **config}
    rows: list[Row] = (await analytics.insight("org-a", InsightAsked(config=config, **asked)))["result"]
    return rows


async def one(analytics: ClickHouseAnalytics, query: Row) -> Any:
    [row] = await answered(analytics, {"type": "text", "queries": [query]})
    return row["figure"]


def value(call: Row, word: str) -> Any:
    return call[COLUMNS[word]]


AGGREGATES: dict[str, Callable[[list[float]], float | None]] = {
    "sum": sum,
    "average": lambda values: fmean(values) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
}


@pytest.mark.parametrize("operation", AGGREGATES)
@pytest.mark.parametrize("column", NUMBERS)
async def test_every_number_is_aggregated(
    analytics: ClickHouseAnalytics, calls: list[Row], column: str, operation: str
) -> None:
    known = [value(call, column) for call in calls if value(call, column) is not None]
    assert await one(analytics, figure(column, operation)) == pytest.approx(AGGREGATES[operation](known))


PASSES: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda has, wanted: bool(has == wanted),
    "!=": lambda has, wanted: bool(has != wanted),
    ">": lambda has, wanted: has is not None and has > wanted,
    "<": lambda has, wanted: has is not None and has < wanted,
    ">=": lambda has, wanted: has is not None and has >= wanted,
    "<=": lambda has, wanted: has is not None and has <= wanted,
    "contains": lambda has, wanted: has is not None and wanted in has,
    "not_contains": lambda has, wanted: has is None or wanted not in has,
    "in": lambda has, wanted: has in wanted,
    "not_in": lambda has, wanted: has not in wanted,
    "is_empty": lambda has, wanted: has is None,
    "is_not_empty": lambda has, wanted: has is not None,
}


def wanted_value(operator: str, example: Any) -> Any:
    if operator in {"in", "not_in"}:
        return [example]
    return example[:9] if isinstance(example, str) and "contains" in operator else example


@pytest.mark.parametrize("column", [*TEXTS, *NUMBERS])
async def test_every_operator_passes_the_calls_that_it_says(
    analytics: ClickHouseAnalytics, calls: list[Row], column: str
) -> None:
    example: Any = "nobody" if column in TEXTS else 1.5
    example = next((has for call in calls if (has := value(call, column)) is not None), example)
    for operator in OPERATORS["text" if column in TEXTS else "number"]:
        wanted = wanted_value(operator, example)
        found = await one(
            analytics, figure("id", "count", filters=[{"column": column, "operator": operator, "value": wanted}])
        )
        assert found == sum(PASSES[operator](value(call, column), wanted) for call in calls), operator


async def test_dates_are_compared_as_moments(analytics: ClickHouseAnalytics, calls: list[Row]) -> None:
    moment = BEGIN + timedelta(days=9)
    for column in ("startedAt", "endedAt"):
        for operator in OPERATORS["date"]:
            limit = {"column": column, "operator": operator, "value": moment.isoformat()}
            found = await one(analytics, figure("id", "count", filters=[limit]))
            assert found == sum(PASSES[operator](value(call, column), moment) for call in calls)


async def test_filters_of_a_query_must_all_hold_and_those_of_another_do_not_matter(
    analytics: ClickHouseAnalytics, calls: list[Row]
) -> None:
    long = {"column": "duration", "operator": ">", "value": 10}
    silent = {"column": "endedReason", "operator": "=", "value": "silence-timed-out"}
    queries = [figure("id", "count", "both", [long, silent]), figure("id", "count", "long", [long])]
    config = {"type": "text", "queries": queries, "formula": {"name": "share", "formula": "{{both}} / {{long}} * 100"}}
    [row] = await answered(analytics, config)
    lasting = [call for call in calls if (call["duration_seconds"] or 0) > 10]
    both = sum(call["ended_reason"] == "silence-timed-out" for call in lasting)
    assert row == {"both": both, "long": len(lasting), "share": pytest.approx(both / len(lasting) * 100)}


@pytest.mark.parametrize("group", GROUPS)
async def test_a_pie_has_a_piece_for_each_value(analytics: ClickHouseAnalytics, calls: list[Row], group: str) -> None:
    rows = await answered(analytics, {"type": "pie", "queries": [figure("id", "count", "n")], "groupBy": group})
    expected: dict[Any, int] = defaultdict(int)
    for call in calls:
        expected[value(call, group)] += 1
    assert {row[group]: row["n"] for row in rows} == expected


async def test_lines_have_a_row_for_each_step_in_the_time_zone(
    analytics: ClickHouseAnalytics, calls: list[Row]
) -> None:
    time_range = {**SPAN, "step": "week", "timezone": "Europe/Berlin"}
    config = {
        **{"type": "line", "queries": [figure("cost", "sum", "usd"), figure("id", "count", "n")]},
        **{"formulas": [{"name": "each", "formula": "usd / n"}], "timeRange": time_range, "groupBy": "type"},
    }
    rows = await answered(analytics, config)
    weeks: dict[tuple[str, str], list[float]] = defaultdict(list)
    for call in calls:
        # Berlin is two hours ahead all through this October.
        local = call["created_at"] + timedelta(hours=2)
        monday = datetime(local.year, local.month, local.day, tzinfo=UTC) - timedelta(days=local.weekday(), hours=2)
        weeks[monday.strftime("%Y-%m-%dT%H:%M:%S.000Z"), call["type"]].append(call["cost_usd"])
    assert [(row["date"], row["type"]) for row in rows] == sorted(weeks)
    for row in rows:
        spent = weeks[row["date"], row["type"]]
        assert (row["n"], row["usd"]) == (len(spent), pytest.approx(sum(spent), abs=1e-8))
        assert row["each"] == pytest.approx(fmean(spent), abs=1e-8)


class TestStructuredOutputs:
    async def test_results_are_counted_averaged_and_grouped(
        self, analytics: ClickHouseAnalytics, calls: list[Row]
    ) -> None:
        rated = [call["structured_outputs"] for call in calls if call["structured_outputs"]]
        column = f"artifact.structuredOutputs[{RATING}]"
        assert await one(analytics, figure(column, "count")) == len(rated)
        mean = fmean(float(results[RATING]) for results in rated)
        assert await one(analytics, figure(column, "average")) == pytest.approx(mean)
        by = f"artifact.structuredOutputs[{BOOKED.upper()}]"
        rows = await answered(analytics, {"type": "pie", "queries": [figure("id", "count", "n")], "groupBy": by})
        expected: dict[Any, int] = defaultdict(int)
        for call in calls:
            expected[call["structured_outputs"].get(BOOKED)] += 1
        assert {row[by]: row["n"] for row in rows} == expected

    @pytest.mark.parametrize(
        ("output", "operator", "wanted", "passes"),
        [
            (BOOKED, "=", True, lambda result: result == "true"),
            (BOOKED, "!=", "true", lambda result: result != "true"),
            (BOOKED, "is_empty", None, lambda result: result is None),
            (RATING, ">=", 3, lambda result: result is not None and float(result) >= 3),
            (RATING, "in", [1, 2], lambda result: result in {"1", "2"}),
            (RATING, "in", ["1", 2], lambda result: result in {"1", "2"}),
            (RATING, "not_in", ["1"], lambda result: result != "1"),
            (RATING, "contains", "4", lambda result: result == "4"),
        ],
    )
    async def test_results_are_filtered_by_what_they_are(
        self, analytics: ClickHouseAnalytics, calls: list[Row], output: str, operator: str, wanted: Any, passes: Any
    ) -> None:
        limit = {"column": f"artifact.structuredOutputs[{output}]", "operator": operator, "value": wanted}
        found = await one(analytics, figure("id", "count", filters=[limit]))
        assert found == sum(passes(call["structured_outputs"].get(output)) for call in calls)


class TestEvents:
    async def figures(self, analytics: ClickHouseAnalytics, *queries: Row, **more: Any) -> list[Row]:
        time_range = {**SPAN, "step": "year"}
        return await answered(analytics, {"type": "bar", "queries": list(queries), "timeRange": time_range, **more})

    def of(self, log: Sequence[Positioned], calls: list[Row], kind: type) -> list[tuple[Row, Any]]:
        held = {call["call_id"]: call for call in calls}
        return [
            (held[event.recorded.originator_id], event.recorded.event)
            for event in log
            if event.recorded.originator_id in held and isinstance(event.recorded.event, kind)
        ]

    async def test_they_are_counted_per_hundred_calls_and_by_group(
        self, analytics: ClickHouseAnalytics, calls: list[Row], log: Sequence[Positioned]
    ) -> None:
        cuts = self.of(log, calls, AssistantInterrupted)
        [row] = await self.figures(
            analytics, happening("pipeline.cleared", "count", "n"), happening("pipeline.cleared", "percentage", "%")
        )
        assert (row["n"], row["%"]) == (len(cuts), pytest.approx(len(cuts) / len(calls) * 100))
        by_type = await self.figures(analytics, happening("pipeline.cleared", "percentage", "%"), groupBy="type")
        for row in by_type:
            of_type = sum(call["type"] == row["type"] for call in calls)
            expected = sum(call["type"] == row["type"] for call, _ in cuts) / of_type * 100
            assert row["%"] == pytest.approx(expected)

    async def test_they_are_filtered_by_their_fields(
        self, analytics: ClickHouseAnalytics, calls: list[Row], log: Sequence[Positioned]
    ) -> None:
        failures = self.of(log, calls, ToolFailed)
        named = {"column": "name", "operator": "=", "value": "book"}
        other = {"column": "error", "operator": "notContains", "value": "20 s"}
        late = {"column": "t7_ms", "operator": ">", "value": 9000}
        [row] = await self.figures(
            analytics,
            happening("assistant.tool.failed", "count", "failed", [named]),
            happening("assistant.tool.failed", "count", "other", [named, other]),
            happening("assistant.tool.timeout", "count", "late"),
            happening("pipeline.botSpeechStarted", "count", "spoken", [late]),
        )
        spoken = sum(marks.t7_ms > 9000 for _, marks in self.of(log, calls, TurnMeasured))
        assert row | {"date": ""} == {
            **{"date": "", "failed": len(failures), "other": 0, "spoken": spoken},
            "late": sum(failure.failure == "timeout" for _, failure in failures),
        }

    @pytest.mark.parametrize("on", OCCURRENCES)
    async def test_every_event_that_is_recorded_can_be_counted_with_every_field(
        self, analytics: ClickHouseAnalytics, calls: list[Row], on: str
    ) -> None:
        filters = [
            {"column": column, "operator": "!=", "value": wanted}
            for column in OCCURRENCES[on].fields
            for wanted in ("nothing", -1.0)
        ]
        [row] = await self.figures(analytics, happening(on, "count", "n"), happening(on, "count", "same", filters))
        assert row["n"] == row["same"] > 0

    async def test_what_is_not_recorded_is_said(self, analytics: ClickHouseAnalytics, calls: list[Row]) -> None:
        odd = {"column": "carrier", "operator": "=", "value": "x"}
        config: Row = {
            **{"type": "bar", "timeRange": {**SPAN, "step": "year"}},
            "queries": [
                happening("call.dtmfReceived", "count", "keys"),
                happening("assistant.tool.failed", "count", "odd", [odd]),
            ],
        }
        answer = await analytics.insight("org-a", InsightAsked(config=config))
        assert answer["notRecorded"] == ["call.dtmfReceived", "assistant.tool.failed carrier"]
        [row] = answer["result"]
        assert (row["keys"], row["odd"]) == (0, 0)

    def test_the_names_are_those_of_the_language(self) -> None:
        assert set(OCCURRENCES) < set(EVENT_NAMES)


async def test_a_run_may_look_at_another_time_and_one_assistant(
    analytics: ClickHouseAnalytics, calls: list[Row]
) -> None:
    config = {"type": "line", "queries": [figure("id", "count", "n")], "timeRange": {**SPAN, "step": "year"}}
    later = {"start": (BEGIN + timedelta(days=8)).isoformat()}
    rows = await answered(analytics, config, time_range=later, assistant_id="assistant-1")
    own = [
        call
        for call in calls
        if call["assistant_id"] == "assistant-1" and call["created_at"] >= BEGIN + timedelta(days=8)
    ]
    # What the override does not say takes the defaults, not what the insight says: steps are days.
    assert sum(row["n"] for row in rows) == len(own)
    assert len(rows) == len({call["created_at"].date() for call in own})


@pytest.mark.parametrize("key", SYSTEM_INSIGHTS)
async def test_the_insights_of_the_overview_are_answered(
    analytics: ClickHouseAnalytics, calls: list[Row], key: str
) -> None:
    rows = await answered(analytics, dict(SYSTEM_INSIGHTS[key]))
    assert rows
    assert all(set(rows[0]) == set(row) for row in rows)


async def test_charts_have_a_series_for_each_group(analytics: ClickHouseAnalytics, calls: list[Row]) -> None:
    count = figure("id", "count", "n")
    [text] = await answered(analytics, {"type": "text", "queries": [count]}, format="recharts")
    assert text == {"name": "n", "value": len(calls)}
    pie = await answered(analytics, {"type": "pie", "queries": [count], "groupBy": "endedReason"}, format="recharts")
    assert sum(piece["value"] for piece in pie) == len(calls)
    assert {piece["name"] for piece in pie} == {str(call["ended_reason"]) for call in calls}
    config = {"type": "bar", "queries": [count], "groupBy": "assistantId", "timeRange": {**SPAN, "step": "year"}}
    [bar] = await answered(analytics, config, format="recharts")
    names = {"none" if call["assistant_id"] is None else call["assistant_id"] for call in calls}
    assert bar.keys() - {"name"} == names
    assert sum(number for name, number in bar.items() if name != "name") == len(calls)


async def test_another_organisation_has_figures_of_its_own(analytics: ClickHouseAnalytics, calls: list[Row]) -> None:
    config = {"type": "text", "queries": [figure("id", "count", "n")], "timeRange": SPAN}
    answer = await analytics.insight("org-nobody", InsightAsked(config=config))
    assert answer["result"] == [{"n": 0}]


async def test_more_rows_than_a_chart_can_show_are_refused(
    analytics: ClickHouseAnalytics, calls: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.insights.run.MOST_ROWS", 3)
    with pytest.raises(QueryRejected, match="gives more than 3 rows"):
        await answered(analytics, {"type": "line", "queries": [figure("id", "count", "n")]})


async def test_texts_are_values_and_never_sql(analytics: ClickHouseAnalytics, calls: list[Row]) -> None:
    for text in ("' OR 1 = 1 --", "\\", "{org_id:String}", "') UNION ALL SELECT 1 --", "%"):
        limit = {"column": "endedReason", "operator": "=", "value": text}
        assert await one(analytics, figure("id", "count", filters=[limit])) == 0
        odd = {"column": text, "operator": "=", "value": text}
        config = {"type": "bar", "queries": [happening("call.ended", "count", text, [odd])]}
        assert all(row[text] == 0 for row in await answered(analytics, config))

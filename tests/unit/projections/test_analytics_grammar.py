"""Given bodies of ``POST /analytics``, then typed queries with defaults, or every problem under its path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.analytics import QueryRejected
from projections.analytics.compile import compile_query
from projections.analytics.grammar import Operation, Query, parse
from projections.analytics.vocabulary import COLUMNS, GROUPS, OPERATIONS, STEPS, default_alias

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
COUNT = {"operation": "count", "column": "id"}


def query(**changes: Any) -> dict[str, Any]:
    body = {"table": "call", "name": "Calls", "operations": [COUNT], **changes}
    return {name: value for name, value in body.items() if value is not ...}


def parsed(**changes: Any) -> Query:
    [only] = parse([query(**changes)], now=NOW)
    return only


def problems(*bodies: Any) -> dict[str, str]:
    with pytest.raises(QueryRejected) as rejected:
        parse(list(bodies), now=NOW)
    return {problem.path: problem.reason for problem in rejected.value.problems}


def test_defaults_are_the_last_seven_days_in_utc_without_steps() -> None:
    time_range = parsed().time_range
    assert (time_range.start, time_range.end) == (NOW - timedelta(days=7), NOW)
    assert (time_range.timezone, time_range.step) == ("UTC", None)


def test_a_time_without_offset_is_one_of_the_query_s_time_zone() -> None:
    asked = {"start": "2026-07-01", "end": "2026-07-02T00:00:00Z", "timezone": "Europe/Berlin"}
    time_range = parsed(timeRange=asked).time_range
    assert time_range.start == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert time_range.end == datetime(2026, 7, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("operation", "column", "alias"),
    [
        ("sum", "duration", "sumDuration"),
        ("avg", "cost", "avgCost"),
        ("sum", "costBreakdown.llm", "sumLlm"),
        ("max", "costBreakdown.analysisBreakdown.summary", "maxSummary"),
        ("count", "id", "countId"),
    ],
)
def test_an_operation_without_alias_is_called_by_itself_and_its_column(operation: str, column: str, alias: str) -> None:
    assert default_alias(operation, column) == alias
    assert parsed(operations=[{"operation": operation, "column": column}]).operations == (
        Operation(operation, column, alias),
    )


@pytest.mark.parametrize("column", [name for name, readable in COLUMNS.items() if readable.table == "call"])
def test_every_documented_column_of_calls_can_be_counted_and_compiled(column: str) -> None:
    compiled = compile_query(parsed(operations=[{"operation": "count", "column": column}]), "org-a")
    assert compiled.names == (default_alias("count", column),)


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"table": ...}, "table", "must be one of the following values: call, subscription"),
        ({"table": "calls"}, "table", "call, subscription"),
        ({"name": ...}, "name", "1 to 40 characters"),
        ({"name": ""}, "name", "1 to 40 characters"),
        ({"name": "x" * 41}, "name", "1 to 40 characters"),
        ({"name": "a\nb"}, "name", "printable"),
        ({"name": 7}, "name", "text"),
        ({"operations": ...}, "operations", "1 to 50 operations"),
        ({"operations": []}, "operations", "1 to 50 operations"),
        ({"operations": {"0": COUNT}}, "operations", "list"),
        ({"operations": [COUNT] * 51}, "operations", "1 to 50 operations"),
        ({"operations": ["count"]}, "operations.0", "must be an object with operation, column, alias"),
        ({"operations": [{"operation": "median", "column": "cost"}]}, "operations.0.operation", ", ".join(OPERATIONS)),
        ({"operations": [{"operation": "sum"}]}, "operations.0.column", "costBreakdown.llm"),
        ({"operations": [{"operation": "sum", "column": "cost; DROP TABLE calls"}]}, "operations.0.column", "cost"),
        ({"operations": [{"operation": "sum", "column": ["cost"]}]}, "operations.0.column", "must be one of"),
        (
            {"operations": [{"operation": "sum", "column": "id"}]},
            "operations.0.operation",
            "on id must be one of count",
        ),
        ({"operations": [{"operation": "history", "column": "cost"}]}, "operations.0.operation", "sum, avg"),
        ({"operations": [{**COUNT, "alias": "x" * 41}]}, "operations.0.alias", "1 to 40"),
        ({"operations": [{**COUNT, "alias": 3}]}, "operations.0.alias", "text"),
        ({"operations": [{**COUNT, "as": "n"}]}, "operations.0.as", "should not exist"),
        ({"operations": [COUNT, COUNT]}, "operations.1.alias", "is taken"),
        ({"operations": [{**COUNT, "alias": "date"}]}, "operations.0.alias", "is taken"),
        ({"operations": [{**COUNT, "alias": "type"}], "groupBy": ["type"]}, "operations.0.alias", "is taken"),
        ({"operations": [{"operation": "max", "column": "concurrency"}]}, "operations.0.column", "table subscription"),
        ({"table": "subscription"}, "operations.0.column", "table subscription has concurrency, minutesUsed"),
        ({"groupBy": "type"}, "groupBy", ", ".join(GROUPS)),
        ({"groupBy": ["phoneNumberId"]}, "groupBy.0", ", ".join(GROUPS)),
        ({"groupBy": [{"key": "type"}]}, "groupBy.0", "must be one of"),
        ({"groupBy": ["type", "type"]}, "groupBy.1", "is taken"),
        ({"groupByVariableValue": "tier"}, "groupByVariableValue", "list"),
        ({"groupByVariableValue": ["tier"]}, "groupByVariableValue.0", "must be an object with key"),
        ({"groupByVariableValue": [{}]}, "groupByVariableValue.0.key", "1 to 100"),
        ({"groupByVariableValue": [{"key": "x" * 101}]}, "groupByVariableValue.0.key", "1 to 100"),
        ({"timeRange": "day"}, "timeRange", "must be an object"),
        ({"timeRange": {"step": "fortnight"}}, "timeRange.step", ", ".join(STEPS)),
        ({"timeRange": {"step": 5}}, "timeRange.step", "must be one of"),
        ({"timeRange": {"start": "yesterday"}}, "timeRange.start", "ISO 8601"),
        ({"timeRange": {"start": 1760000000}}, "timeRange.start", "ISO 8601"),
        ({"timeRange": {"end": "9999-12-31T00:00:00Z"}}, "timeRange.end", "1970 to 2261"),
        ({"timeRange": {"start": "1969-01-01T00:00:00Z"}}, "timeRange.start", "1970 to 2261"),
        ({"timeRange": {"start": "2026-11-21T10:30:00Z"}}, "timeRange.start", "must be before the end"),
        ({"timeRange": {"timezone": "Mars/Olympus"}}, "timeRange.timezone", "IANA"),
        ({"timeRange": {"timezone": "../../etc/passwd"}}, "timeRange.timezone", "IANA"),
        ({"timeRange": {"timezone": 2}}, "timeRange.timezone", "IANA"),
        ({"timeRange": {"from": "now"}}, "timeRange.from", "should not exist"),
        ({"where": "1 = 1"}, "where", "should not exist"),
    ],
)
def test_what_is_wrong_is_named_with_the_legal_choices(changes: dict[str, Any], path: str, reason: str) -> None:
    found = problems(query(**changes))
    assert reason in found[f"queries.0.{path}"], found


def test_a_subscription_is_of_the_organisation_and_asked_for_one_column() -> None:
    both = [{"operation": "max", "column": "concurrency"}, {"operation": "sum", "column": "minutesUsed"}]
    found = problems(query(table="subscription", operations=both, groupBy=["type"]))
    assert "organisation" in found["queries.0.groupBy"]
    assert "one column" in found["queries.0.operations"]


def test_all_problems_of_all_queries_are_told_at_once() -> None:
    found = problems(query(table="x", name=""), "nonsense", query(groupBy=["x"]))
    assert set(found) == {"queries.0.table", "queries.0.name", "queries.1", "queries.2.groupBy.0"}


@pytest.mark.parametrize("bodies", [[], None, {"0": {}}, [query()] * 51])
def test_the_list_of_queries_itself_is_checked(bodies: Any) -> None:
    with pytest.raises(QueryRejected, match="queries"):
        parse(bodies, now=NOW)


def test_nothing_that_the_client_sent_stands_in_the_sql() -> None:
    marks = "'; DROP TABLE calls_v1 -- {x:String} %(y)s"
    compiled = compile_query(
        parsed(name=marks[:40], operations=[{**COUNT, "alias": marks[:40]}], groupByVariableValue=[{"key": marks}]),
        marks,
    )
    assert "DROP" not in compiled.sql
    assert compiled.parameters["org_id"] == compiled.parameters["variable_0"] == marks

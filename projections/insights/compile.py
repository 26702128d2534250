"""From an insight's definition to parameterised ClickHouse SQL: one scan of each table that it asks.

All queries of an insight share time range, steps and groups, so each becomes an aggregate with a condition. Calls are
counted in the step in which they were created; events in that of their call, so that a percentage compares like with
like. Every word of the SQL stands in a dictionary of ours; what the client sent is a parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from domain.insights.definition import CallQuery, EventQuery, Filter, Insight
from domain.insights.time_range import Span
from domain.insights.words import kind_of, output_id
from projections.calendar import bucket, time_parameter
from projections.insights.vocabulary import (
    AGGREGATES,
    COLUMNS,
    EVENT_OPERATORS,
    OCCURRENCES,
    OPERATORS,
    SOURCES,
)

MOST_ROWS: Final = 10_000
"""Groups times steps of one insight; more is no chart."""

_IN_RANGE: Final = (
    "org_id = {org_id:String} AND created_at >= {start:DateTime64(6, 'UTC')} "
    "AND created_at < {end:DateTime64(6, 'UTC')}"
)
# A call's events come after its creation, those of the language within a day of it: no call lasts that long.
_EVENTS_IN_RANGE: Final = (
    "org_id = {org_id:String} AND recorded_at >= {start:DateTime64(6, 'UTC')} "
    "AND recorded_at < {end:DateTime64(6, 'UTC')} + INTERVAL 2 DAY"
)


@dataclass(frozen=True)
class Statement:
    """SQL whose first columns are the keys of the insight's rows; ``queries`` name the others."""

    sql: str
    parameters: dict[str, Any]
    queries: tuple[str, ...]


@dataclass(frozen=True)
class Compiled:
    """What answers an insight. ``keys`` tell its rows apart; ``not_recorded`` are events, and fields of events, that it
    asks for and that are never recorded."""

    statements: tuple[Statement, ...]
    keys: tuple[str, ...]
    not_recorded: tuple[str, ...]


TOTAL: Final = ""
"""The name of the number of calls, which percentages are of."""


def compile_insight(insight: Insight, span: Span, org_id: str, assistant_id: str | None = None) -> Compiled:
    """The statements of an insight. ``assistant_id`` narrows what is asked of calls, not of events."""
    writer = _Writer(insight, span, org_id)
    calls = [query for query in insight.queries if isinstance(query, CallQuery)]
    events = [query for query in insight.queries if isinstance(query, EventQuery)]
    statements = [writer.calls(calls, assistant_id)] if calls else []
    for source in dict.fromkeys(OCCURRENCES[query.on].source for query in events if query.on in OCCURRENCES):
        of_source = [query for query in events if query.on in OCCURRENCES and OCCURRENCES[query.on].source == source]
        statements.append(writer.events(source, of_source))
    if events:
        # Where there were calls and none of the events, the number of events is 0, and not unknown.
        statements.append(writer.totals())
    return Compiled(
        statements=tuple(statements),
        keys=tuple(name for name, _ in writer.key_columns()),
        not_recorded=tuple(dict.fromkeys(name for query in events for name in _not_recorded(query))),
    )


def _not_recorded(query: EventQuery) -> Iterable[str]:
    occurrence = OCCURRENCES.get(query.on)
    if occurrence is None:
        yield query.on
        return
    yield from (f"{query.on} {one.column}" for one in query.filters if one.column not in occurrence.fields)


@dataclass
class _Parameters:
    """Values on their way into a statement, each under a name of its own."""

    values: dict[str, Any] = field(default_factory=dict)

    def place(self, value: Any, type_: str) -> str:
        name = f"value_{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{type_}}}"


class _Writer:
    """Writes the statements of one insight."""

    def __init__(self, insight: Insight, span: Span, org_id: str) -> None:
        self._insight = insight
        self._common = {
            "org_id": org_id,
            "start": time_parameter(span.start),
            "end": time_parameter(span.end),
            "timezone": span.timezone,
        }

    def key_columns(self) -> list[tuple[str, str]]:
        """The columns that tell rows apart, with the SQL of each."""
        keys = []
        if self._insight.step is not None:
            keys.append(("date", bucket("created_at", self._insight.step)))
        if self._insight.group_by is not None:
            keys.append((self._insight.group_by, "grouped"))
        return keys

    def calls(self, queries: Sequence[CallQuery], assistant_id: str | None) -> Statement:
        """Figures over calls."""
        placed = _Parameters()
        source = self._source(placed, queries)
        conditions = [_all(self._call_condition(one, placed) for one in query.filters) for query in queries]
        values = [_call_value(query, condition, placed) for query, condition in zip(queries, conditions, strict=True)]
        where = _IN_RANGE
        if assistant_id is not None:
            where += f" AND assistant_id = {placed.place(assistant_id, 'String')}"
        if all(query.filters for query in queries):
            where += f" AND ({' OR '.join(conditions)})"
        return self._statement(values, f"({source} WHERE {where})", placed, queries)

    def events(self, source: str, queries: Sequence[EventQuery]) -> Statement:
        """Numbers of events that stand in one source, by the step and group of their calls."""
        placed = _Parameters()
        conditions = [_all(self._event_conditions(query, placed)) for query in queries]
        values = [f"countIf(matched_{index})" for index in range(len(queries))]
        if source == "calls":
            matched = ", ".join(f"{condition} AS matched_{index}" for index, condition in enumerate(conditions))
            inner = f"({self._source(placed, (), 'status', 'ended_reason', 'started_at')} WHERE {_IN_RANGE})"
            return self._statement(values, f"(SELECT *, {matched} FROM {inner})", placed, queries)  # noqa: S608 (ours)
        columns = ", ".join(f"{condition} AS matched_{index}" for index, condition in enumerate(conditions))
        table, call = SOURCES[source]
        happened = f"SELECT {call} AS of_call, {columns} FROM {table} WHERE {_EVENTS_IN_RANGE}"  # noqa: S608 (ours)
        happened += f" AND ({' OR '.join(conditions)})"
        calls = f"{self._source(placed, ())} WHERE {_IN_RANGE}"
        joined = f"({happened}) AS happened INNER JOIN ({calls}) AS held ON happened.of_call = held.call_id"
        return self._statement(values, joined, placed, queries)

    def totals(self) -> Statement:
        """How many calls there were, by step and group."""
        placed = _Parameters()
        source = f"({self._source(placed, ())} WHERE {_IN_RANGE})"
        sql = self._selected(["count()"], source)
        return Statement(sql, self._common | placed.values, (TOTAL,))

    def _statement(
        self, values: Sequence[str], source: str, placed: _Parameters, queries: Sequence[CallQuery | EventQuery]
    ) -> Statement:
        names = tuple(query.name for query in queries)
        return Statement(self._selected(values, source), self._common | placed.values, names)

    def _selected(self, values: Sequence[str], source: str) -> str:
        keys = [sql for _, sql in self.key_columns()]
        positions = ", ".join(str(number) for number in range(1, len(keys) + 1))
        grouping = f" GROUP BY {positions} ORDER BY {positions}" if keys else ""
        # One row more than there may be tells that there are too many.
        return f"SELECT {', '.join((*keys, *values))} FROM {source}{grouping} LIMIT {MOST_ROWS + 1}"  # noqa: S608 (ours)

    def _source(self, placed: _Parameters, queries: Sequence[CallQuery], *more: str) -> str:
        """The calls with what queries, filters and groups read, without a condition yet."""
        columns = {"call_id", "created_at", "assistant_id", *more}
        for query in queries:
            for column in (query.column, *(one.column for one in query.filters)):
                columns.add(COLUMNS.get(column, "structured_outputs" if output_id(column) else "call_id"))
        group = self._insight.group_by
        grouped = "" if group is None else f", {_column(group, placed)} AS grouped"
        return f"SELECT {', '.join(sorted(columns))}{grouped} FROM calls"  # noqa: S608 (columns are ours)

    def _call_condition(self, one: Filter, placed: _Parameters) -> str:
        kind = kind_of(one.column)
        column = _column(one.column, placed)
        if kind == "output" and isinstance(_example(one.value), float):
            column = f"toFloat64OrNull({column})"
        value = "" if one.value is None else placed.place(*_parameter(one.value))
        return OPERATORS[one.operator].format(column=column, value=value)

    def _event_conditions(self, query: EventQuery, placed: _Parameters) -> Iterable[str]:
        occurrence = OCCURRENCES[query.on]
        yield occurrence.condition
        for one in query.filters:
            column = f"toString({occurrence.fields.get(one.column, 'NULL')})"
            if isinstance(one.value, float):
                column = f"toFloat64OrNull({column})"
            value = placed.place(*_parameter(one.value))
            yield EVENT_OPERATORS[one.operator].format(column=column, value=value)


def _column(word: str, placed: _Parameters) -> str:
    found = output_id(word)
    if found is None:
        return COLUMNS[word]
    output = placed.place(found, "String")
    return f"if(mapContains(structured_outputs, {output}), structured_outputs[{output}], NULL)"


def _call_value(query: CallQuery, condition: str, placed: _Parameters) -> str:
    if query.column == "id":
        return AGGREGATES[query.operation].format(condition=condition)
    column = _column(query.column, placed)
    if query.operation == "count":
        condition = f"isNotNull({column}) AND {condition}"
    elif output_id(query.column):
        column = f"toFloat64OrNull({column})"
    return AGGREGATES[query.operation].format(column=column, condition=condition)


def _all(conditions: Iterable[str]) -> str:
    given = [f"({condition})" for condition in conditions]
    return " AND ".join(given) if given else "1"


def _example(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value


def _parameter(value: Any) -> tuple[Any, str]:
    """The value and type of a ClickHouse parameter. A boolean is compared as text, as which results are kept."""
    match value:
        case bool():
            return _text(value), "String"
        case float():
            return value, "Float64"
        case datetime():
            return time_parameter(value), "DateTime64(6, 'UTC')"
        case tuple():
            several = [_parameter(item) for item in value]
            types = {type_ for _, type_ in several}
            if len(types) > 1:
                several, types = [(_text(item), "String") for item in value], {"String"}
            return [item for item, _ in several], f"Array({types.pop() if types else 'String'})"
        case _:
            return value, "String"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)

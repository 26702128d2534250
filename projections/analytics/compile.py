"""From typed queries to parameterised ClickHouse SQL.

Every word of the SQL stands in a dictionary of ours; what the client sent (names, times, keys) is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from projections.analytics.grammar import Query
from projections.analytics.vocabulary import COLUMNS, GROUPS
from projections.calendar import bucket, time_parameter

_AGGREGATES: Mapping[str, str] = MappingProxyType(
    {
        "count": "count({})",
        # Nothing used sums to nothing; there is no average, least or greatest of nothing.
        "sum": "ifNull(sum({}), 0)",
        "avg": "avgOrNull({})",
        "min": "minOrNull({})",
        "max": "maxOrNull({})",
        "history": "argMaxOrNull({}, at)",
    }
)

_SECONDS: Mapping[str, int] = MappingProxyType({"second": 1, "minute": 60, "hour": 3600})
"""Steps that a call can outlast."""

_CALLS = """
SELECT *, created_at AS at, duration_seconds / 60 AS minutes
FROM calls
WHERE org_id = {org_id:String}
    AND created_at >= {start:DateTime64(6, 'UTC')}
    AND created_at < {end:DateTime64(6, 'UTC')}
"""

_CONCURRENCY = """
SELECT at, running
FROM
(
SELECT at, sum(delta) OVER (ORDER BY at, delta ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running
FROM
(
    SELECT tupleElement(edge, 1) AS at, tupleElement(edge, 2) AS delta
    FROM
    (
        SELECT
            greatest(assumeNotNull(started_at), {start:DateTime64(6, 'UTC')}) AS began,
            least(ifNull(ended_at, {now:DateTime64(6, 'UTC')}), {end:DateTime64(6, 'UTC')}) AS ended
        FROM calls
        WHERE org_id = {org_id:String} AND created_at < {end:DateTime64(6, 'UTC')}
            AND started_at IS NOT NULL AND began < ended
    )
    ARRAY JOIN arrayConcat([(began, 1), (ended, -1)], <looks>) AS edge
)
)
WHERE at < {end:DateTime64(6, 'UTC')}
"""
"""The number of running calls after each beginning (+1) and end (-1), ends first where both fall together. A look
(0) at the start of a bucket shows the calls that run on from the bucket before."""


@dataclass(frozen=True)
class Statement:
    """SQL, its parameters, and the names under which its columns are shown; the first is ``date`` with a step."""

    sql: str
    parameters: Mapping[str, Any]
    names: tuple[str, ...]


def compile_query(query: Query, org_id: str) -> Statement:
    """One statement for one query."""
    time_range = query.time_range
    parameters: dict[str, Any] = {
        "org_id": org_id,
        "start": time_parameter(time_range.start),
        "end": time_parameter(time_range.end),
        "now": time_parameter(time_range.now),
        "timezone": time_range.timezone,
    }
    keys: list[tuple[str, str]] = []
    if time_range.step is not None:
        keys.append(("date", bucket("at", time_range.step)))
    keys += [(name, GROUPS[name]) for name in query.group_by]
    for index, variable in enumerate(query.variables):
        parameters[f"variable_{index}"] = variable
        keys.append((variable, _variable(index)))
    values = [
        (operation.alias, _AGGREGATES[operation.operation].format(COLUMNS[operation.column].sql))
        for operation in query.operations
    ]
    selected = ", ".join(expression for _, expression in (*keys, *values))
    positions = ", ".join(str(number) for number in range(1, len(keys) + 1))
    grouping = f" GROUP BY {positions} ORDER BY {positions}" if keys else ""
    source = _source(query)
    return Statement(
        sql=f"SELECT {selected} FROM ({source}){grouping}",  # noqa: S608 (fixed words; values are parameters)
        parameters=parameters,
        names=tuple(name for name, _ in (*keys, *values)),
    )


def _source(query: Query) -> str:
    if all(operation.column != "concurrency" for operation in query.operations):
        return _CALLS
    return _CONCURRENCY.replace("<looks>", _looks(query.time_range.step))


def _looks(step: str | None) -> str:
    """Looks at the bucket starts that one call reaches: each of a short step, the last one of a long one."""
    if step is None:
        return "[]"
    first, last = bucket("began", step), bucket("ended", step)
    if step in _SECONDS:
        width = _SECONDS[step] * 1000
        look = _moment(f"({first} + number * {width})")
        return f"arrayMap(number -> ({look}, 0), range(1, toUInt32(intDiv({last} - {first}, {width})) + 1))"
    return f"[(greatest(began, {_moment(last)}), 0)]"


def _moment(milliseconds: str) -> str:
    return f"toDateTime64(fromUnixTimestamp64Milli({milliseconds}, 'UTC'), 6, 'UTC')"


def _variable(index: int) -> str:
    key = f"{{variable_{index}:String}}"
    return f"if(mapContains(variable_values, {key}), variable_values[{key}], NULL)"

"""Reading the queries of a ``POST /analytics`` body: everything wrong with them at once, or typed queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from domain.analytics import QueryProblem, QueryRejected
from projections.analytics.vocabulary import (
    COLUMNS,
    GROUPS,
    MAX_KEY,
    MAX_NAME,
    OPERATIONS,
    STEPS,
    TABLES,
    default_alias,
)

DEFAULT_SPAN = timedelta(days=7)
"""How far back a query looks that gives no start."""

MAX_QUERIES = 50
MAX_PARTS = 50
"""Most operations, groups or variables of one query; beyond any dashboard, and a bound on the SQL."""

EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)
"""What the store's times can hold, with a day to spare for time zones."""


class Operation(msgspec.Struct, frozen=True):
    """``sum`` of ``duration``, shown as ``alias``."""

    operation: str
    column: str
    alias: str


class TimeRange(msgspec.Struct, frozen=True):
    """From ``start`` up to, not including, ``end``; ``step`` is the width of a bucket in ``timezone``.

    ``now`` is when the query was asked: until then a call that has not ended runs.
    """

    start: datetime
    end: datetime
    now: datetime
    timezone: str
    step: str | None


class Query(msgspec.Struct, frozen=True):
    """One query, with every default filled in."""

    table: str
    name: str
    operations: tuple[Operation, ...]
    group_by: tuple[str, ...]
    variables: tuple[str, ...]
    time_range: TimeRange


def parse(queries: Sequence[Any], *, now: datetime) -> list[Query]:
    """Typed queries. Raises ``QueryRejected`` with every problem found, each under its dotted path."""
    reader = _Reader(now)
    if not isinstance(queries, (list, tuple)):
        reader.refuse("queries", "must be a list of queries")
        queries = ()
    elif not 0 < len(queries) <= MAX_QUERIES:
        reader.refuse("queries", f"must hold 1 to {MAX_QUERIES} queries")
    parsed = [reader.query(query, f"queries.{index}") for index, query in enumerate(queries[:MAX_QUERIES])]
    if reader.problems:
        raise QueryRejected(reader.problems)
    return [query for query in parsed if query is not None]


class _Reader:
    """Collects problems on the way; what it returns after one is not used."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.problems: list[QueryProblem] = []

    def refuse(self, path: str, reason: str) -> None:
        self.problems.append(QueryProblem(path, reason))

    def query(self, body: Any, path: str) -> Query | None:
        fields = ("table", "name", "operations", "groupBy", "groupByVariableValue", "timeRange")
        if not self._object(body, path, fields):
            return None
        table = self._word(body.get("table"), f"{path}.table", TABLES)
        name = self._text(body.get("name"), f"{path}.name", MAX_NAME)
        operations = self._operations(body.get("operations"), f"{path}.operations", table)
        group_by = self._groups(body.get("groupBy"), f"{path}.groupBy")
        variables = self._variables(body.get("groupByVariableValue"), f"{path}.groupByVariableValue")
        if table == "subscription" and (group_by or variables):
            self.refuse(f"{path}.groupBy", "has no meaning for table subscription, which is of the organisation")
        if len({operation.column for operation in operations}) > 1 and table == "subscription":
            self.refuse(f"{path}.operations", "must all be on one column: ask for minutes and concurrency separately")
        time_range = self._time_range(body.get("timeRange"), f"{path}.timeRange")
        self._distinct(path, operations, group_by, variables)
        if time_range is None or name is None:
            return None
        return Query(table, name, tuple(operations), tuple(group_by), tuple(variables), time_range)

    def _operations(self, bodies: Any, path: str, table: str) -> list[Operation]:
        if not isinstance(bodies, list) or not 0 < len(bodies) <= MAX_PARTS:
            self.refuse(path, f"must be a list of 1 to {MAX_PARTS} operations")
            return []
        operations = []
        for index, body in enumerate(bodies):
            at = f"{path}.{index}"
            if not self._object(body, at, ("operation", "column", "alias")):
                continue
            operation = self._word(body.get("operation"), f"{at}.operation", OPERATIONS)
            column = self._column(body.get("column"), f"{at}.column", table)
            alias = body.get("alias")
            if alias is not None:
                alias = self._text(alias, f"{at}.alias", MAX_NAME)
            if not operation or not column:
                continue
            self._sensible(operation, column, table, at)
            operations.append(Operation(operation, column, alias or default_alias(operation, column)))
        return operations

    def _column(self, column: Any, path: str, table: str) -> str:
        """One of another table is known too: what is wrong with it is said by ``_sensible``."""
        if isinstance(column, str) and column in COLUMNS:
            return column
        return self._word(column, path, [name for name, other in COLUMNS.items() if table in ("", other.table)])

    def _sensible(self, operation: str, column: str, table: str, path: str) -> None:
        readable = COLUMNS[column]
        if table and readable.table != table:
            self.refuse(
                f"{path}.column",
                f"{column} belongs to table {readable.table}; table {table} has "
                + _listed(name for name, other in COLUMNS.items() if other.table == table),
            )
        elif operation not in readable.operations:
            self.refuse(f"{path}.operation", f"on {column} must be one of {_listed(readable.operations)}")

    def _groups(self, bodies: Any, path: str) -> list[str]:
        if bodies is None:
            return []
        if not isinstance(bodies, list) or len(bodies) > MAX_PARTS:
            self.refuse(path, f"must be a list of {_listed(GROUPS)}")
            return []
        words = [self._word(body, f"{path}.{index}", GROUPS) for index, body in enumerate(bodies)]
        return [word for word in words if word]

    def _variables(self, bodies: Any, path: str) -> list[str]:
        if bodies is None:
            return []
        if not isinstance(bodies, list) or len(bodies) > MAX_PARTS:
            self.refuse(path, 'must be a list of {"key": …} objects')
            return []
        keys = []
        for index, body in enumerate(bodies):
            if self._object(body, f"{path}.{index}", ("key",)):
                key = self._text(body.get("key"), f"{path}.{index}.key", MAX_KEY)
                keys += [key] if key else []
        return keys

    def _time_range(self, body: Any, path: str) -> TimeRange | None:
        body = {} if body is None else body
        if not self._object(body, path, ("step", "start", "end", "timezone")):
            return None
        timezone = self._timezone(body.get("timezone"), f"{path}.timezone")
        end = self._instant(body.get("end"), f"{path}.end", timezone) or self._now
        start = self._instant(body.get("start"), f"{path}.start", timezone) or self._now - DEFAULT_SPAN
        step = body.get("step")
        if step is not None:
            step = self._word(step, f"{path}.step", STEPS) or None
        if not start < end:
            self.refuse(f"{path}.start", f"must be before the end, {end.isoformat()}")
        return TimeRange(start, end, self._now, timezone, step)

    def _timezone(self, name: Any, path: str) -> str:
        if name is None:
            return "UTC"
        if isinstance(name, str):
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                pass
            else:
                return name
        self.refuse(path, "must be an IANA time zone name such as Europe/Berlin")
        return "UTC"

    def _instant(self, text: Any, path: str, timezone: str) -> datetime | None:
        """A time without an offset is one of the query's time zone."""
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
            aware = time if time.tzinfo is not None else time.replace(tzinfo=ZoneInfo(timezone))
            if EARLIEST <= aware <= LATEST:
                return aware.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            pass
        self.refuse(path, "must be an ISO 8601 time from 1970 to 2261 such as 2026-01-31T00:00:00Z, or a date")
        return None

    def _distinct(self, path: str, operations: list[Operation], groups: list[str], variables: list[str]) -> None:
        """Every column of a result row needs a name of its own."""
        taken = {"date"}
        named = [(f"{path}.groupBy.{index}", name) for index, name in enumerate(groups)]
        named += [(f"{path}.groupByVariableValue.{index}.key", name) for index, name in enumerate(variables)]
        named += [(f"{path}.operations.{index}.alias", operation.alias) for index, operation in enumerate(operations)]
        for at, name in named:
            if name in taken:
                self.refuse(at, f"must be a name of its own in the result: {name} is taken")
            taken.add(name)

    def _object(self, body: Any, path: str, fields: Sequence[str]) -> bool:
        if not isinstance(body, dict):
            self.refuse(path, f"must be an object with {_listed(fields)}")
            return False
        for name in body.keys() - set(fields):
            self.refuse(f"{path}.{name}", f"should not exist; the fields are {_listed(fields)}")
        return True

    def _word(self, word: Any, path: str, legal: Collection[str]) -> str:
        if isinstance(word, str) and word in legal:
            return word
        self.refuse(path, f"must be one of the following values: {_listed(legal)}")
        return ""

    def _text(self, text: Any, path: str, longest: int) -> str | None:
        if isinstance(text, str) and 0 < len(text) <= longest and text.isprintable():
            return text
        self.refuse(path, f"must be a printable text of 1 to {longest} characters")
        return None


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)

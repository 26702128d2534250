"""What an insight asks, read from its configuration: typed, with every default filled in, or everything wrong with it.

A configuration has the shape of ``POST /reporting/insight``. The shape itself (names, lengths, kinds of values) is the
API's to check; here stand the rules about meaning: which operation a column takes, what a formula refers to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from domain.analytics import QueryProblem, QueryRejected
from domain.insights.event_names import EVENT_NAMES
from domain.insights.formula import Expression, FormulaInvalid, parse_formula
from domain.insights.time_range import TimeRange, faults
from domain.insights.words import (
    COUNT,
    DATES,
    EVENT_OPERATIONS,
    EVENT_OPERATORS,
    GROUPS,
    INSIGHT_TYPES,
    LIST_OPERATORS,
    NUMBER_OPERATIONS,
    NUMBERS,
    OPERATORS,
    OUTPUT,
    STEPS,
    TEXTS,
    VALUELESS,
    kind_of,
    output_id,
)

MOST_QUERIES: Final = 50
MOST_FILTERS: Final = 50
MOST_VALUES: Final = 1000
"""Bounds on the SQL of one insight, beyond any dashboard."""

STEPPED: Final = frozenset({"bar", "line"})
"""Types whose results are cut into steps of time."""

_FIELDS: Final = ("start", "end", "timezone", "step")


class Filter(msgspec.Struct, frozen=True):
    """``value`` is a text, number, boolean, aware time or tuple of such, as column and operator ask for."""

    column: str
    operator: str
    value: Any


class CallQuery(msgspec.Struct, frozen=True):
    """``operation`` over ``column`` of the calls that pass all filters."""

    name: str
    column: str
    operation: str
    filters: tuple[Filter, ...]


class EventQuery(msgspec.Struct, frozen=True):
    """How many events of this name pass all filters; ``percentage`` is that number per hundred calls."""

    name: str
    on: str
    operation: str
    filters: tuple[Filter, ...]


class Formula(msgspec.Struct, frozen=True):
    """A figure made of the queries' figures."""

    name: str
    expression: Expression


class Insight(msgspec.Struct, frozen=True, kw_only=True):
    """One question. ``step`` is ``None`` where results are not cut into steps of time."""

    type: str
    queries: tuple[CallQuery | EventQuery, ...]
    formulas: tuple[Formula, ...]
    group_by: str | None
    time_range: TimeRange

    @property
    def step(self) -> str | None:
        """The width of a bucket; none for a pie or a text."""
        return self.time_range.step if self.type in STEPPED else None


def read_insight(config: Mapping[str, Any]) -> Insight:
    """The insight that ``config`` describes. Raises ``QueryRejected`` with every problem, each under its path."""
    reader = _Reader()
    insight = reader.insight(config)
    if reader.problems:
        raise QueryRejected(reader.problems)
    return insight


def read_time_range(body: Mapping[str, Any] | None, path: str = "timeRange") -> TimeRange:
    """The range that a body means, with defaults for what it does not say. Raises ``QueryRejected``."""
    reader = _Reader()
    asked = reader.time_range(body, path)
    if reader.problems:
        raise QueryRejected(reader.problems)
    return asked


class _Reader:
    """Collects problems on the way; what it returns after one is not used."""

    def __init__(self) -> None:
        self.problems: list[QueryProblem] = []

    def insight(self, config: Mapping[str, Any]) -> Insight:
        type_ = self._word(config.get("type"), "type", INSIGHT_TYPES)
        bodies = config.get("queries") or ()
        if not 0 < len(bodies) <= MOST_QUERIES:
            self._refuse("queries", f"must be a list of 1 to {MOST_QUERIES} queries")
        queries = [self._query(body, index, type_) for index, body in enumerate(bodies[:MOST_QUERIES])]
        self._distinct("queries", [query.name for query in queries])
        return Insight(
            type=type_,
            queries=tuple(queries),
            formulas=self._formulas(config, type_, [query.name for query in queries]),
            group_by=self._group(config.get("groupBy"), type_),
            time_range=self.time_range(config.get("timeRange"), "timeRange"),
        )

    def time_range(self, body: Mapping[str, Any] | None, path: str) -> TimeRange:
        given = {name: body[name] for name in _FIELDS if body.get(name) is not None} if body else {}
        if "step" in given:
            self._word(given["step"], f"{path}.step", STEPS)
        asked = TimeRange(**given)
        for fault in faults(asked):
            self._refuse(f"{path}.{fault.field}", fault.rule)
        return asked

    def _query(self, body: Mapping[str, Any], index: int, type_: str) -> CallQuery | EventQuery:
        path = f"queries.{index}"
        name = body.get("name") or f"Query {index + 1}"
        if body.get("table") == "events":
            if type_ != "bar":
                self._refuse(f"{path}.table", f"must be call: only insights of type bar count events, not {type_}")
            return self._event_query(body, path, name)
        self._word(body.get("table"), f"{path}.table", ("call", "events") if type_ == "bar" else ("call",))
        return self._call_query(body, path, name)

    def _call_query(self, body: Mapping[str, Any], path: str, name: str) -> CallQuery:
        column, operation = str(body.get("column")), str(body.get("operation"))
        if column == "id":
            self._word(operation, f"{path}.operation", (COUNT,), f" for column {column}")
        elif column in NUMBERS:
            self._word(operation, f"{path}.operation", NUMBER_OPERATIONS, f" for column {column}")
        elif output_id(column):
            self._word(operation, f"{path}.operation", (COUNT, *NUMBER_OPERATIONS), f" for column {column}")
        else:
            self._refuse(f"{path}.column", f"must be one of the following values: {_listed(('id', *NUMBERS, OUTPUT))}")
        return CallQuery(name, column, operation, self._filters(body, path, self._call_filter))

    def _event_query(self, body: Mapping[str, Any], path: str, name: str) -> EventQuery:
        on = self._word(body.get("on"), f"{path}.on", EVENT_NAMES)
        operation = self._word(body.get("operation"), f"{path}.operation", EVENT_OPERATIONS)
        return EventQuery(name, on, operation, self._filters(body, path, self._event_filter))

    def _filters(self, body: Mapping[str, Any], path: str, read: Any) -> tuple[Filter, ...]:
        bodies = body.get("filters") or ()
        if len(bodies) > MOST_FILTERS:
            self._refuse(f"{path}.filters", f"must contain no more than {MOST_FILTERS} filters")
        return tuple(read(one, f"{path}.filters.{index}") for index, one in enumerate(bodies[:MOST_FILTERS]))

    def _call_filter(self, body: Mapping[str, Any], path: str) -> Filter:
        column, operator = str(body.get("column")), str(body.get("operator"))
        kind = kind_of(column)
        if kind is None:
            legal = _listed((*TEXTS, *NUMBERS, *DATES, OUTPUT))
            self._refuse(f"{path}.column", f"must be one of the following values: {legal}")
            return Filter(column, operator, None)
        self._word(operator, f"{path}.operator", OPERATORS[kind], f" for column {column}")
        return Filter(column, operator, self._value(kind, operator, body.get("value"), f"{path}.value"))

    def _value(self, kind: str, operator: str, value: Any, path: str) -> Any:
        if operator in VALUELESS:
            return None
        if operator in LIST_OPERATORS:
            if not isinstance(value, list) or len(value) > MOST_VALUES:
                self._refuse(path, f"must be a list of at most {MOST_VALUES} values for operator {operator}")
                return ()
            return tuple(self._single(kind, item, f"{path}.{index}") for index, item in enumerate(value))
        if kind == "output" and operator in {"contains", "not_contains"}:
            kind = "text"
        return self._single(kind, value, path)

    def _single(self, kind: str, value: Any, path: str) -> Any:
        match kind:
            case "text" if isinstance(value, str):
                return value
            case "number" if _is_number(value):
                return float(value)
            case "date" if (time := _time(value)) is not None:
                return time
            case "output" if isinstance(value, str | bool):
                return value
            case "output" if _is_number(value):
                return float(value)
        self._refuse(path, f"must be {_KINDS[kind]}")
        return None

    def _event_filter(self, body: Mapping[str, Any], path: str) -> Filter:
        column, operator, value = body.get("column"), str(body.get("operator")), body.get("value")
        if not isinstance(column, str) or not column:
            self._refuse(f"{path}.column", "must be the name of a field of the event, such as name")
        match value:
            case bool() | str():
                kind: type = type(value)
            case int() | float():
                kind, value = float, float(value)
            case _:
                self._refuse(f"{path}.value", f"must be {_KINDS['output']}")
                return Filter(str(column), operator, None)
        self._word(operator, f"{path}.operator", EVENT_OPERATORS[kind], f" for {_VALUES[kind]}")
        return Filter(str(column), operator, value)

    def _formulas(self, config: Mapping[str, Any], type_: str, queries: Sequence[str]) -> tuple[Formula, ...]:
        single = config.get("formula")
        if type_ == "text":
            bodies, paths = ([single], ["formula"]) if single else ([], [])
            if len(queries) > 1 and not single:
                self._refuse("queries", "must be exactly one query unless a formula makes one figure of several")
        else:
            bodies = list(config.get("formulas") or ())
            paths = [f"formulas.{index}" for index in range(len(bodies))]
        if len(bodies) > MOST_QUERIES:
            self._refuse("formulas", f"must contain no more than {MOST_QUERIES} formulas")
        formulas = []
        for number, (body, path) in enumerate(zip(bodies[:MOST_QUERIES], paths, strict=False), 1):
            try:
                expression = parse_formula(body["formula"], queries)
            except FormulaInvalid as fault:
                self._refuse(f"{path}.formula", str(fault))
                continue
            name = body.get("name") or ("Formula" if type_ == "text" else f"Formula {number}")
            formulas.append(Formula(name, expression))
            if name in queries:
                self._refuse(f"{path}.name", f"{name} names a query already")
        self._distinct("formulas", [formula.name for formula in formulas])
        return tuple(formulas)

    def _group(self, group: Any, type_: str) -> str | None:
        if group is None:
            return None
        if type_ == "text":
            self._refuse("groupBy", "has no meaning for an insight of type text, which is one figure")
        elif group not in GROUPS and not (isinstance(group, str) and output_id(group)):
            self._refuse("groupBy", f"must be one of the following values: {_listed((*GROUPS, OUTPUT))}")
        return str(group)

    def _distinct(self, path: str, names: Sequence[str]) -> None:
        reserved = {"date", "group"}
        for index, name in enumerate(names):
            if name in names[:index]:
                self._refuse(f"{path}.{index}.name", f"must be a name of its own: another one is called {name}")
            elif name in reserved or name in GROUPS or output_id(name):
                self._refuse(f"{path}.{index}.name", f"must be a name of its own in the result: {name} is taken")

    def _word(self, word: Any, path: str, legal: Sequence[str], where: str = "") -> str:
        if isinstance(word, str) and word in legal:
            return word
        self._refuse(path, f"must be one of the following values: {_listed(legal)}{where}")
        return str(word)

    def _refuse(self, path: str, reason: str) -> None:
        self.problems.append(QueryProblem(path, reason))


_KINDS: Final = {
    "text": "a string",
    "number": "a number",
    "date": "an ISO 8601 time such as 2026-01-31T00:00:00Z",
    "output": "a string, a number or a boolean value",
}
_VALUES: Final = {str: "a text", float: "a number", bool: "a boolean"}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(value: object) -> datetime | None:
    """A time without an offset is UTC."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is None:
            return None
        return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)

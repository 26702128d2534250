"""From what the engine found to the rows of an insight: queries side by side, percentages and formulas computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, Final

from domain.insights.definition import EventQuery, Insight
from domain.insights.formula import evaluate
from projections.calendar import shown_bucket
from projections.insights.compile import TOTAL, Compiled, Statement
from projections.insights.vocabulary import EMPTY

DECIMALS: Final = 9
"""Figures are rounded here: sums of money in binary floating point end in noise."""

NO_GROUP: Final = "none"
"""How a series is called that groups what has no value."""

Row = dict[str, Any]
Figures = dict[str, float | None]


def insight_rows(
    insight: Insight, compiled: Compiled, found: Iterable[tuple[Statement, Sequence[Sequence[Any]]]]
) -> list[Row]:
    """One row for every step and group in which something was found: keys, a column a query, a column a formula."""
    figures: dict[tuple[Any, ...], Figures] = {}
    absent: Figures = {query.name: EMPTY.get(query.operation) for query in insight.queries}
    for statement, rows in found:
        for row in rows:
            key = tuple(row[: len(compiled.keys)])
            of_key = figures.setdefault(key, dict(absent))
            for name, value in zip(statement.queries, row[len(key) :], strict=True):
                of_key[name] = _number(value)
    return [
        {
            **{name: _key(name, value) for name, value in zip(compiled.keys, key, strict=True)},
            **_computed(insight, figures[key]),
        }
        for key in sorted(figures, key=_order)
    ]


def charted(insight: Insight, rows: Sequence[Row]) -> list[Row]:
    """The rows as https://recharts.org takes them: of a bar or line one object a step with a value for each series, of
    a pie or text one object a figure, with ``name`` and ``value``."""
    figures = [formula.name for formula in insight.formulas] or [query.name for query in insight.queries]
    charts: dict[str, Row] = {}
    for row in rows:
        for figure in figures:
            series = figure
            if insight.group_by is not None:
                group = NO_GROUP if row[insight.group_by] is None else str(row[insight.group_by])
                series = group if len(figures) == 1 else f"{group} {figure}"
            name, field = (series, "value") if insight.step is None else (row["date"], series)
            charts.setdefault(name, {"name": name})[field] = row[figure]
    return list(charts.values())


def _computed(insight: Insight, figures: Figures) -> Row:
    total = figures.get(TOTAL)
    shown: Figures = {}
    for query in insight.queries:
        value = figures[query.name]
        if isinstance(query, EventQuery) and query.operation == "percentage":
            value = value / total * 100 if value is not None and total else None
        shown[query.name] = value
    for formula in insight.formulas:
        shown[formula.name] = evaluate(formula.expression, shown)
    return {name: _rounded(value) for name, value in shown.items()}


def _number(value: Any) -> float | None:
    return value if value is None or isfinite(value) else None


def _rounded(value: float | None) -> float | None:
    return round(value, DECIMALS) if isinstance(value, float) else value


def _key(name: str, value: Any) -> Any:
    return shown_bucket(value) if name == "date" else value


def _order(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    """By step, then by group, those without a value last."""
    return tuple((value is None, value) for value in key)

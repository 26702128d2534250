"""Bodies of ``/reporting/insight``: their shape. What columns, operators and formulas mean is judged as a whole."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, RootModel, Tag

from api.models.base import Closed, Identifier, by_field, mark
from domain.insights.formula import LONGEST
from domain.insights.words import INSIGHT_TYPES

LongName = Annotated[str, Field(min_length=1, max_length=255)]
Label = Annotated[str, Field(min_length=1, max_length=40)]
Step = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]

_TIME = "An ISO 8601 time, a date, `now`, or a time back such as `-7d` (h, d, w, m for months, y)."


class InsightTimeRange(Closed):
    """When the insight looks; the last seven days by default."""

    start: Annotated[str | None, Field(description=_TIME)] = None
    end: Annotated[str | None, Field(description=_TIME)] = None
    timezone: Annotated[str | None, Field(description="IANA name; says where days begin.")] = None


class SteppedTimeRange(InsightTimeRange):
    """When the insight looks, and the width of its steps; a day by default."""

    step: Step | None = None


class InsightFilter(Closed):
    """A condition on calls or events; all of a query's must hold."""

    column: str
    operator: str
    value: Any = None


class CallTableQuery(Closed):
    """A figure over calls."""

    type: Literal["vapiql-json"]
    table: Literal["call"]
    column: str
    operation: Literal["count", "average", "sum", "min", "max"]
    filters: list[InsightFilter] | None = None
    name: LongName | None = None


class EventTableQuery(Closed):
    """How often something happened, or how often per hundred calls."""

    type: Literal["vapiql-json"]
    table: Literal["events"]
    on: str
    operation: Literal["count", "percentage"]
    filters: list[InsightFilter] | None = None
    name: LongName | None = None


InsightQuery = Annotated[
    Annotated[CallTableQuery, Tag(mark("call"))] | Annotated[EventTableQuery, Tag(mark("events"))],
    Discriminator(by_field("table", {"call": mark("call"), "events": mark("events")}, mark("call"))),
]


class InsightFormula(Closed):
    """Arithmetic over the results of queries, which stand as ``{{name}}`` or ``{{['any name']}}``."""

    name: LongName | None = None
    formula: Annotated[str, Field(min_length=1, max_length=LONGEST)]


class ChartMetadata(Closed):
    """How a chart is labelled."""

    name: LongName | None = None
    x_axis_label: Label | None = None
    y_axis_label: Label | None = None
    y_axis_min: float | None = None
    y_axis_max: float | None = None


class _Charted(Closed):
    name: LongName | None = None
    queries: list[InsightQuery]
    formulas: list[InsightFormula] | None = None
    group_by: str | None = None


class BarInsight(_Charted):
    """Bars, a step of time apart. Only these count events."""

    type: Literal["bar"]
    metadata: ChartMetadata | None = None
    time_range: SteppedTimeRange | None = None


class LineInsight(_Charted):
    """Lines over time."""

    type: Literal["line"]
    metadata: ChartMetadata | None = None
    time_range: SteppedTimeRange | None = None


class PieInsight(_Charted):
    """Shares of a whole."""

    type: Literal["pie"]
    time_range: InsightTimeRange | None = None


class TextInsight(Closed):
    """One figure."""

    type: Literal["text"]
    name: LongName | None = None
    queries: list[InsightQuery]
    formula: InsightFormula | None = None
    time_range: InsightTimeRange | None = None


class UnknownInsight(Closed):
    """What has none of the types: of it only that is said, whatever else stands in it."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})

    type: Literal["bar", "line", "pie", "text"]


class InsightBody(
    RootModel[
        Annotated[
            Annotated[BarInsight, Tag(mark("bar"))]
            | Annotated[LineInsight, Tag(mark("line"))]
            | Annotated[PieInsight, Tag(mark("pie"))]
            | Annotated[TextInsight, Tag(mark("text"))]
            | Annotated[UnknownInsight, Tag(mark("other"))],
            Discriminator(by_field("type", {name: mark(name) for name in INSIGHT_TYPES}, mark("other"))),
        ]
    ]
):
    """Body of ``POST /reporting/insight``: a bar, line, pie or text."""


class FormatPlan(Closed):
    """``raw`` rows, or objects as https://recharts.org draws them."""

    format: Literal["raw", "recharts"] | None = None


class InsightRunBody(Closed):
    """Body of ``POST /reporting/insight/{id}/run``; all of it may be left out."""

    format_plan: FormatPlan | None = None
    time_range_override: Annotated[
        SteppedTimeRange | None, Field(description="Takes the place of the insight's own range, all of it.")
    ] = None
    assistant_id: Annotated[Identifier | None, Field(description="Only this assistant's calls.")] = None

"""Body of ``POST /analytics``. What columns and operations mean is the analytics compiler's business."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.models.base import Closed, Name

_TIME = "An ISO 8601 time, or a date; without an offset it is one of the time zone."


class Operation(Closed):
    """One aggregate of a query."""

    operation: Literal["sum", "avg", "count", "min", "max", "history"]
    column: str
    alias: Name | None = None


class VariableGroup(Closed):
    """Group by a template variable of the call."""

    key: Annotated[str, Field(max_length=100)]


class TimeRange(Closed):
    """The calls to look at, and the buckets to cut them into."""

    step: (
        Literal[
            "second",
            "minute",
            "hour",
            "day",
            "week",
            "month",
            "quarter",
            "year",
            "decade",
            "century",
            "millennium",
        ]
        | None
    ) = None
    start: Annotated[str | None, Field(description=_TIME)] = None
    end: Annotated[str | None, Field(description=_TIME)] = None
    timezone: str | None = None


class AnalyticsQuery(Closed):
    """One question."""

    table: Literal["call", "subscription"]
    name: Name
    operations: Annotated[list[Operation], Field(min_length=1)]
    group_by: list[Literal["type", "assistantId", "endedReason", "analysis.successEvaluation", "status"]] | None = None
    group_by_variable_value: list[VariableGroup] | None = None
    time_range: TimeRange | None = None


class AnalyticsBody(Closed):
    """Any number of questions, answered in order."""

    queries: list[AnalyticsQuery]

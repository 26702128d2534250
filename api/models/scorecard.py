"""How calls are scored: points for what was extracted from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from api.models.base import Closed, Identifier, mark

Points = Annotated[float, Field(ge=0, le=100)]


class NumberCondition(Closed):
    """Points for a number that compares."""

    type: Literal["comparator"]
    comparator: Literal["=", "!=", ">", "<", ">=", "<="]
    value: float
    points: Points


class BooleanCondition(Closed):
    """Points for a yes, or for a no."""

    type: Literal["comparator"]
    comparator: Literal["="]
    value: bool
    points: Points


def _kind(value: object) -> str:
    given = value.get("value") if isinstance(value, dict) else getattr(value, "value", None)
    return mark("boolean") if isinstance(given, bool) else mark("number")


Condition = Annotated[
    Annotated[BooleanCondition, Tag(mark("boolean"))] | Annotated[NumberCondition, Tag(mark("number"))],
    Discriminator(_kind),
]


class Metric(Closed):
    """The points that one structured output can bring."""

    structured_output_id: Identifier
    conditions: list[Condition]


class ScorecardBody(Closed):
    """Body of ``POST /observability/scorecard``."""

    metrics: list[Metric]
    name: Annotated[str, Field(max_length=80)] | None = None
    description: Annotated[str, Field(max_length=500)] | None = None
    assistant_ids: list[Identifier] | None = None

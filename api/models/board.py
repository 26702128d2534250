"""Bodies of ``/reporting/board``: insights and other figures side by side."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema

from api.models.base import Closed, Identifier, Name, by_field, mark
from api.models.insight import SteppedTimeRange

COLUMNS = 6


class BoardLayout(Closed):
    """Every board has six columns."""

    columns: Annotated[int, Field(ge=COLUMNS, le=COLUMNS)]


class ItemPosition(Closed):
    """The upper left corner, in columns and rows."""

    x: Annotated[float, Field(ge=0)]
    y: Annotated[float, Field(ge=0)]


class ItemSize(Closed):
    """In columns and rows."""

    width: Annotated[float, Field(ge=1)]
    height: Annotated[float, Field(ge=1)]


class InsightItem(Closed):
    """An insight."""

    type: Literal["insight"]
    insight_id: Identifier
    position: ItemPosition
    size: ItemSize
    system_key: str | None = None


class WidgetItem(Closed):
    """A figure that clients draw by themselves."""

    # Whoever sends another type is told of all that there are; in the document an insight is the other form.
    type: Annotated[
        Literal["insight", "failed_calls_list", "concurrency_chart", "average_cost_breakdown_chart"],
        WithJsonSchema(
            {"type": "string", "enum": ["failed_calls_list", "concurrency_chart", "average_cost_breakdown_chart"]}
        ),
    ]
    position: ItemPosition
    size: ItemSize
    insight_id: Identifier | None = None
    system_key: str | None = None


BoardItem = Annotated[
    Annotated[InsightItem, Tag(mark("insight"))] | Annotated[WidgetItem, Tag(mark("widget"))],
    Discriminator(by_field("type", {"insight": mark("insight")}, mark("widget"))),
]


class BoardBody(Closed):
    """Body of ``POST /reporting/board``."""

    name: Annotated[Name, Field(min_length=1)]
    layout: BoardLayout
    items: list[BoardItem] | None = None
    time_range_override: Annotated[
        SteppedTimeRange | None, Field(description="What clients run the board's insights with.")
    ] = None

"""``GET /live``: what is asked and what is answered."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final

import msgspec
from pydantic import Field

from api.models.filters import Query
from domain.live_figures import MOST_MINUTES, LiveReport


class LiveQuery(Query):
    """How far back the figures reach."""

    minutes: Annotated[
        int, Field(ge=1, le=MOST_MINUTES, description="Minutes by the clock, the present one included.")
    ] = 15


class LiveAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """``position`` is up to where the organisation's events are counted, ``events_behind`` how many are not yet."""

    position: str
    events_behind: int
    figures: LiveReport


@cache
def answer_schema() -> dict[str, Any]:
    """The answer for the OpenAPI document, in one piece."""
    (schema,), components = msgspec.json.schema_components([LiveAnswer], ref_template="{name}")
    resolved: dict[str, Any] = _resolved(schema, components)
    return resolved


def _resolved(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, dict):
        if _REFERENCE in schema:
            return _resolved(components[schema[_REFERENCE]], components)
        return {name: _resolved(part, components) for name, part in schema.items() if name != "title"}
    if isinstance(schema, list):
        return [_resolved(part, components) for part in schema]
    return schema


_REFERENCE: Final = "$ref"

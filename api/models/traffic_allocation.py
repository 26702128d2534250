"""Bodies and queries of ``/traffic-allocations``."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from api.models.base import Closed, Identifier, violation
from api.models.filters import PagedFilters, Query

MOST_TARGETS = 100
_THOUSANDTHS = Decimal("0.001")


def _check_decimals(value: float) -> float:
    if Decimal(repr(value)) % _THOUSANDTHS:
        raise violation("INVALID_VALUE", "must have at most 3 decimal places")
    return value


class AllocationTarget(Closed):
    """A version of the assistant and its share of the calls."""

    assistant_version: Annotated[str, Field(pattern=r"^v[1-9][0-9]{0,8}$")]
    percentage: Annotated[float, Field(ge=0, le=100), AfterValidator(_check_decimals)]


class TrafficAllocationBody(Closed):
    """Body of ``POST /traffic-allocations``. ``targets`` mean ``explicit``; to stop splitting has to be said."""

    assistant_id: Identifier
    allocation_intent: Literal["follow-latest", "explicit"] | None = None
    targets: Annotated[list[AllocationTarget], Field(max_length=MOST_TARGETS)] | None = None
    expected_current_allocation_id: Identifier | None = None
    description: Annotated[str, Field(max_length=1000)] | None = None


class AllocationFilters(PagedFilters):
    """``GET /traffic-allocations``."""

    assistant_id: str | None = None


class LatestAllocationQuery(Query):
    """``GET /traffic-allocations/latest``."""

    assistant_id: str

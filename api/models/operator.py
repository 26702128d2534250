"""Bodies of the operator routes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.models.base import Closed
from api.models.filters import Query

CallStatus = Literal["scheduled", "queued", "ringing", "in-progress", "forwarding", "ended"]


class NewOrganization(Closed):
    """``POST /operator/organizations``."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


class SqlStatement(Closed):
    """``POST /operator/sql``. With ``orgId`` the statement sees that organisation's rows only."""

    statement: Annotated[str, Field(min_length=1, max_length=100_000)]
    org_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=100_000)] = 10_000


class Rebuild(Closed):
    """``POST /operator/rebuild``; all projections unless one is named."""

    projection: str | None = None


class HeldEvents(Closed):
    """Which events that a processor could not take are meant."""

    processor: str
    originator: str


class OperatorCallQuery(Query):
    """``GET /operator/calls``."""

    limit: Annotated[int, Field(ge=0, le=1000)] = 100
    status: Annotated[str | None, Field(description="Statuses, separated by commas; all by default.")] = None

    def statuses(self) -> tuple[str, ...]:
        """The statuses asked for; empty means all."""
        return tuple(part.strip() for part in (self.status or "").split(",") if part.strip())

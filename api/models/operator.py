"""Bodies of the operator routes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from api.models.base import Closed
from api.models.filters import Query
from api.request_log import RequestEntry

CallStatus = Literal["scheduled", "queued", "ringing", "in-progress", "forwarding", "ended"]


class NewOrganization(Closed):
    """``POST /operator/organizations``."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


Bound = Annotated[int, Field(ge=0, le=10_000_000)]


class OrganizationLimits(Closed):
    """``PATCH /operator/organizations/{id}/limits``; null leaves a limit to the installation's settings."""

    private_requests_per_minute: Bound | None = None
    public_requests_per_minute: Bound | None = None
    concurrent_calls: Bound | None = None


LIMIT_FIELDS: Final = {
    name: str(OrganizationLimits.model_fields[name].alias) for name in OrganizationLimits.model_fields
}
"""The names on the wire of an organisation's limits."""


class SqlStatement(Closed):
    """``POST /operator/sql``. With ``orgId`` the statement sees that organisation's rows only."""

    statement: Annotated[str, Field(min_length=1, max_length=100_000)]
    org_id: str | None = None
    limit: Annotated[int, Field(ge=1, le=100_000)] = 10_000


class Rebuild(Closed):
    """``POST /operator/rebuild``; all projections unless one is named.

    ``version`` is that of the projection to be filled; ``dropOld`` drops what was live before once it is replaced.
    """

    projection: str | None = None
    version: Annotated[int, Field(ge=1)] | None = None
    drop_old: bool = False


class HeldEvents(Closed):
    """Which events that a processor could not take are meant."""

    processor: str
    originator: str


class OrganizationQuery(Query):
    """``GET /operator/organizations``."""

    limit: Annotated[int, Field(ge=0, le=1000)] = 1000
    offset: Annotated[int, Field(ge=0, le=1_000_000_000, description="How many of the newest to pass over.")] = 0


class OperatorCallQuery(Query):
    """``GET /operator/calls``."""

    limit: Annotated[int, Field(ge=0, le=1000)] = 100
    status: Annotated[str | None, Field(description="Statuses, separated by commas; all by default.")] = None

    def statuses(self) -> tuple[str, ...]:
        """The statuses asked for; empty means all."""
        return tuple(part.strip() for part in (self.status or "").split(",") if part.strip())


class RequestQuery(Query):
    """``GET /operator/requests``."""

    limit: Annotated[int, Field(ge=0, le=10_000)] = 100
    org_id: str | None = None
    request_id: str | None = None
    method: str | None = None
    route: Annotated[str | None, Field(description="The template of the path, such as /call/{id}.")] = None
    status: Annotated[int | None, Field(description="Exactly this status.")] = None
    status_ge: Annotated[int | None, Field(description="This status or a higher one: 400 for all refusals.")] = None
    ms_ge: Annotated[float | None, Field(description="Those that took so many milliseconds or more.")] = None

    def admits(self, entry: RequestEntry) -> bool:
        """Whether the entry is asked for."""
        exact = (
            (self.org_id, entry.org_id),
            (self.request_id, entry.request_id),
            (self.method and self.method.upper(), entry.method),
            (self.route, entry.route),
            (self.status, entry.status),
        )
        return (
            all(wanted in (None, found) for wanted, found in exact)
            and entry.status >= (self.status_ge or 0)
            and entry.ms >= (self.ms_ge or 0)
        )

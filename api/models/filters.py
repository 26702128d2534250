"""Query parameters of lists and of reads in the past."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from api.errors import Issue, invalid
from api.models.base import Instant
from api.violations import issues
from domain.aggregate import DocumentKeys

Bounds = tuple[tuple[str, datetime], ...]
Q = TypeVar("Q", bound="Query")


def _separated(value: object) -> object:
    """One value, several separated by commas, or a repeated key."""
    parts = value if isinstance(value, list) else [value]
    return [name.strip() for part in parts for name in str(part).split(",") if name.strip()]


Several = Annotated[list[str], BeforeValidator(_separated)]
"""A parameter that takes several values: as a repeated key, or separated by commas."""
_SEVERAL: Final = (Several, Several | None)


class Query(BaseModel):
    """Parameters of a query string; unknown ones are refused, so that a misspelt filter cannot widen a list."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, defer_build=True)


class ListFilters(Query):
    """What every plain list takes: a limit and eight bounds on creation and change."""

    limit: Annotated[int, Field(ge=0, le=1000, description="The largest number of objects to return.")] = 100
    created_at_gt: Instant | None = None
    created_at_lt: Instant | None = None
    created_at_ge: Instant | None = None
    created_at_le: Instant | None = None
    updated_at_gt: Instant | None = None
    updated_at_lt: Instant | None = None
    updated_at_ge: Instant | None = None
    updated_at_le: Instant | None = None

    def created(self) -> Bounds:
        """Bounds on creation as the document store takes them."""
        return self._bounds("created_at")

    def updated(self) -> Bounds:
        """Bounds on the last change as the document store takes them."""
        return self._bounds("updated_at")

    def admit(self, keys: DocumentKeys) -> bool:
        """Whether a single document lies within all bounds."""
        return _within(keys.created_at, self.created()) and _within(keys.updated_at, self.updated())

    def _bounds(self, field: str) -> Bounds:
        given = ((operator, getattr(self, f"{field}_{operator}")) for operator in ("gt", "lt", "ge", "le"))
        return tuple(_stored_bound(operator, moment) for operator, moment in given if moment is not None)


class PagedFilters(ListFilters):
    """What lists take that come in pages."""

    page: Annotated[int, Field(ge=1, le=1_000_000_000, description="Pages count from 1.")] = 1
    sort_order: Annotated[Literal["ASC", "DESC"], Field(description="Newest first unless ASC.")] = "DESC"
    sort_by: Annotated[
        Literal["createdAt", "duration", "cost"],
        Field(description="Objects without duration and cost are sorted by creation."),
    ] = "createdAt"

    def offset(self) -> int:
        """How many objects stand before this page."""
        return (self.page - 1) * self.limit


class VersionQuery(Query):
    """``GET /{resource}/{id}/versions``."""

    limit: Annotated[int, Field(ge=1, le=100)] = 25
    cursor: Annotated[str | None, Field(pattern=r"^v[1-9][0-9]{0,8}$", description="``nextCursor`` of a page.")] = None


class CallFilters(ListFilters):
    """``GET /call``."""

    id: str | None = None
    assistant_id: str | None = None
    phone_number_id: str | None = None


class PastQuery(Query):
    """A read of the past: ``at`` is a position such as ``0:128`` or a time such as ``2026-01-31T09:30:00Z``."""

    at: Annotated[str | None, Field(description="Show the object as it was at this position or time.")] = None


class TypedQuery(Query):
    """A choice of types."""

    types: Annotated[str | None, Field(description="Types, separated by commas; all by default.")] = None

    def type_names(self) -> frozenset[str] | None:
        """The dotted types asked for; ``None`` means all."""
        names = frozenset(name.strip() for name in (self.types or "").split(",") if name.strip())
        return names or None


class AfterQuery(TypedQuery):
    """Where to start a stream of events, and which types it carries."""

    after: Annotated[str | None, Field(description="Start after this position; 0:0 is the beginning.")] = None


class FragmentQuery(TypedQuery):
    """``GET /call/{id}/fragments``."""

    source: Annotated[str | None, Field(description="Only what this part of the pipeline wrote.")] = None


class OperatorEventQuery(AfterQuery):
    """``GET /operator/events``: a page of events, or with ``follow`` an endless stream."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    originator: Annotated[str | None, Field(description="Only the events of this call, assistant or so.")] = None
    follow: Annotated[bool, Field(description="Keep the answer open and send new events as they come.")] = False


def parse_query(request: Request, model: type[Q]) -> Q:
    """The request's query string as ``model``. Raises ``Problem`` 400 that lists every violation."""
    parameters = request.query_params
    given: dict[str, Any] = {}
    for key in parameters:
        values = parameters.getlist(key)
        if len(values) > 1 and key in _given_once(model):
            raise invalid([Issue("INVALID_VALUE", f"{key} must be given only once", f"/query/{key}")])
        given[key] = values if len(values) > 1 else values[0]
    try:
        return model.model_validate(given)
    except ValidationError as fault:
        raise invalid(issues(fault.errors(include_url=False, include_input=False), source="query")) from None


@cache
def _given_once(model: type[BaseModel]) -> frozenset[str | None]:
    """The parameters that take one value."""
    return frozenset(field.alias for field in model.model_fields.values() if field.annotation not in _SEVERAL)


def _stored_bound(operator: str, shown: datetime) -> tuple[str, datetime]:
    """A bound on the time as clients see it, in milliseconds, as one on the stored time, in microseconds.

    Without this, ``createdAtGt`` with the ``createdAt`` of an object would find that object again.
    """
    floor = shown.replace(microsecond=shown.microsecond // 1000 * 1000)
    following = floor + timedelta(milliseconds=1)
    ceiling = floor if floor == shown else following
    match operator:
        case "gt":
            return "ge", following
        case "ge":
            return "ge", ceiling
        case "lt":
            return "lt", ceiling
        case _:
            return "lt", following


def _within(moment: datetime, bounds: Bounds) -> bool:
    return all(moment >= bound if operator == "ge" else moment < bound for operator, bound in bounds)

"""Reading an object as it was: the fold of its history up to a position, a time, or a version of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic_core import PydanticCustomError
from starlette.requests import Request

from api.authentication import Principal
from api.context import ApiContext
from api.errors import Issue, Problem, invalid, not_found
from api.models.base import instant
from api.models.filters import PastQuery, parse_query
from domain.aggregate import Aggregate
from domain.log.ports import EventLog, Positioned
from domain.log.position import Position

S = TypeVar("S")

_VERSION: Final = re.compile(r"v([1-9][0-9]{0,8})", re.ASCII)


@dataclass(frozen=True)
class Revision:
    """The numbered configuration of an object, ``v3``."""

    number: int


Moment = Position | datetime | Revision


def parse_revision(text: str) -> Revision | None:
    """``v3``; ``None`` for anything else."""
    version = _VERSION.fullmatch(text)
    return Revision(int(version[1])) if version is not None else None


def parse_moment(text: str) -> Moment:
    """A position (``0:128``), an RFC 3339 time, or a version (``v3``). Raises ``Problem`` 400."""
    if (revision := parse_revision(text)) is not None:
        return revision
    try:
        return Position.parse(text)
    except ValueError:
        pass
    try:
        return instant(text)
    except PydanticCustomError:
        rule = "must be a position such as 0:128, a time such as 2026-01-31T09:30:00Z, or a version such as v3"
        raise invalid([Issue("INVALID_FORMAT", f"at {rule}", "/query/at")]) from None


def present_or_past(
    context: ApiContext,
    request: Request,
    aggregate: Aggregate[S, Any],
    object_id: str,
    principal: Principal,
    label: str,
    read_query: type[PastQuery] = PastQuery,
) -> S:
    """The state that a read asks for: as it is, or with ``?at=`` as it was. Raises ``Problem`` (400, 404)."""
    query = parse_query(request, read_query)
    state: S | None
    if query.at is not None:
        moment = parse_moment(query.at)
        state = state_at(context.dependencies.log, aggregate, object_id, principal.org_id, moment)
    else:
        document = context.dependencies.documents.get(aggregate.kind, object_id, org_id=principal.org_id)
        state = document.state if document else None
    if state is None:
        raise not_found(label, object_id) if query.at is None else _not_then(label, object_id, query.at)
    return state


def state_at(log: EventLog, aggregate: Aggregate[S, Any], originator_id: str, org_id: str, moment: Moment) -> S | None:
    """The state at ``moment``; ``None`` when it did not exist then or belongs to another organisation."""
    state: S | None = None
    for positioned in log.history(originator_id):
        if not isinstance(moment, Revision) and not _had_happened(positioned, moment):
            break
        if positioned.recorded.event.TYPE.partition(".")[0] != aggregate.kind:
            return None
        state = aggregate.evolve(state, positioned.recorded)
        if isinstance(moment, Revision) and getattr(state, "revision", None) == moment.number:
            break
    else:
        if isinstance(moment, Revision):
            return None
    if state is None:
        return None
    keys = aggregate.keys(state)
    return state if keys.org_id == org_id and not keys.deleted else None


def _not_then(label: str, object_id: str, at: str) -> Problem:
    return Problem(
        404,
        f"{label} {object_id} did not exist at {at}.",
        detail="Ask for it as it is without ?at=, or with ?at= a position, a time or a version that its history has.",
        code="NOT_FOUND",
    )


def _had_happened(positioned: Positioned, moment: Position | datetime) -> bool:
    if isinstance(moment, Position):
        return positioned.position.shard == moment.shard and positioned.position.ordinal <= moment.ordinal
    time = positioned.recorded.time
    if moment.microsecond % 1000 == 0:
        # Answers show whole milliseconds: what they say happened then had happened.
        time = time.replace(microsecond=time.microsecond // 1000 * 1000)
    return time <= moment

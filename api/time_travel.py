"""Reading an object as it was: the fold of its history up to a position or a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from api.errors import Issue, invalid
from api.models.base import instant
from domain.aggregate import Aggregate
from domain.log.ports import EventLog, Positioned
from domain.log.position import Position

S = TypeVar("S")

Moment = Position | datetime


def parse_moment(text: str) -> Moment:
    """A position (``0:128``) or an RFC 3339 time. Raises ``Problem`` 400."""
    try:
        return Position.parse(text)
    except ValueError:
        pass
    try:
        return instant(text)
    except PydanticCustomError:
        rule = "must be a position such as 0:128 or a time such as 2026-01-31T09:30:00Z"
        raise invalid([Issue("INVALID_FORMAT", f"at {rule}", "/query/at")]) from None


def state_at(log: EventLog, aggregate: Aggregate[S, Any], originator_id: str, org_id: str, moment: Moment) -> S | None:
    """The state at ``moment``; ``None`` when it did not exist then or belongs to another organisation."""
    state: S | None = None
    for positioned in log.history(originator_id):
        if not _had_happened(positioned, moment):
            break
        if positioned.recorded.event.TYPE.partition(".")[0] != aggregate.kind:
            return None
        state = aggregate.evolve(state, positioned.recorded)
    if state is None:
        return None
    keys = aggregate.keys(state)
    return state if keys.org_id == org_id and not keys.deleted else None


def _had_happened(positioned: Positioned, moment: Moment) -> bool:
    if isinstance(moment, Position):
        return positioned.position.shard == moment.shard and positioned.position.ordinal <= moment.ordinal
    return positioned.recorded.time <= moment

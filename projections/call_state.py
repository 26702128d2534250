"""What row functions ask of a call's state, whatever phase it is in."""

from __future__ import annotations

from datetime import datetime

from domain.call.clock import call_clock, call_start
from domain.call.state import Call, Deleted, Start
from domain.log.ports import Positioned
from projections.table import Row


def org_id(call: Call) -> str:
    """The organisation a call belongs to, deleted or not."""
    return call.org_id if isinstance(call, Deleted) else call.identity.org_id


def start(call: Call) -> Start | None:
    """How the call started, where it did and that may still be known."""
    return None if isinstance(call, Deleted) else call_start(call)


def instant(call: Call, at_ms: float) -> datetime | None:
    """The time of day of an instant on the call's own clock; ``None`` where its anchor may not be known any more."""
    return None if isinstance(call, Deleted) else call_clock(call).wall(at_ms)


def place(call: Call, event: Positioned) -> Row:
    """The first columns of every row: organisation, position, and when the event was recorded."""
    position = event.position
    owner = call.org_id if isinstance(call, Deleted) else call.identity.org_id
    return owner, position.shard, position.ordinal, event.recorded.time

"""What row functions ask of a call's state, whatever phase it is in."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from domain.call.events import TurnMeasured
from domain.call.state import Call, Deleted, Start
from domain.log.ports import Positioned
from projections.table import Row


def org_id(call: Call) -> str:
    """The organisation a call belongs to, deleted or not."""
    return call.org_id if isinstance(call, Deleted) else call.identity.org_id


def start(call: Call) -> Start | None:
    """How the call started, where it did."""
    return getattr(call, "start", None)


def instant(call: Call, at_ms: float | None) -> datetime | None:
    """The time of day of an instant on the call's own clock; ``None`` before the call started."""
    began = start(call)
    return None if began is None or at_ms is None else began.clock_origin + timedelta(milliseconds=at_ms)


def place(call: Call, event: Positioned) -> Row:
    """The first columns of every row: organisation, position, and when the event was recorded."""
    return org_id(call), event.position.shard, event.position.ordinal, event.recorded.time


class Delays(msgspec.Struct, frozen=True):
    """Delays of one answered turn by stage (ms), absent where the turn had not both measuring points."""

    transcriber_ms: float | None
    endpointing_ms: float | None
    model_ms: float | None
    voice_ms: float | None
    turn_ms: float | None


def delays(marks: TurnMeasured) -> Delays:
    """The stages of one turn."""
    return Delays(
        transcriber_ms=_between(marks.t0_ms, marks.t1_ms),
        endpointing_ms=_between(marks.t1_ms, marks.t2_ms),
        model_ms=_between(marks.t3_ms, marks.t4_ms),
        voice_ms=_between(marks.t5_ms, marks.t6_ms),
        turn_ms=_between(marks.t0_ms, marks.t7_ms),
    )


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin

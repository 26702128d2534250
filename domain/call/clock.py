"""A call's own clock against the wall's."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from domain.call.state import Ended, KeptCall, Live, Queued, Start
from domain.wire_time import epoch_ms


class CallClock(msgspec.Struct, frozen=True, gc=False):
    """``origin`` is the wall-clock time of the clock's zero, ``start_ms`` the instant from which seconds are shown."""

    origin: datetime
    start_ms: float

    def wall(self, at_ms: float) -> datetime:
        """The time of day of an instant."""
        return self.origin + timedelta(milliseconds=at_ms)

    def epoch_ms(self, at_ms: float) -> float:
        """The instant in milliseconds since 1970."""
        return round(epoch_ms(self.origin) + at_ms, 3)

    def seconds_from_start(self, at_ms: float) -> float:
        """Seconds since media flowed; what came before counts as 0."""
        return round(max(at_ms - self.start_ms, 0.0) / 1000, 3)


_STARTED = (Live, Ended)
"""A union would be made anew at each use, and this is asked for every message."""


def call_start(call: KeptCall) -> Start | None:
    """How the call started, if it did."""
    return call.start if isinstance(call, _STARTED) else None


def call_clock(call: KeptCall) -> CallClock:
    """The clock of a call. Before its start it is anchored at the claim, and before that at the creation."""
    start = call_start(call)
    if start is not None:
        return CallClock(start.clock_origin, start.at_ms)
    claim = None if isinstance(call, Queued) else call.claim
    return CallClock(claim.claimed_at if claim else call.identity.created_at, 0.0)


def started_at(call: KeptCall) -> datetime | None:
    """When media began to flow."""
    start = call_start(call)
    return call_clock(call).wall(start.at_ms) if start else None


def ended_at(call: KeptCall) -> datetime | None:
    """When the call was over: by its own clock where that is known, else when the end was recorded."""
    if not isinstance(call, Ended):
        return None
    if call.end.at_ms is None or call.claim is None:
        return call.end.recorded_at
    return call_clock(call).wall(call.end.at_ms)

"""The clock of one call: milliseconds since it was claimed, on monotonic time, anchored to wall time once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic


class CallClock:
    """``origin`` is the wall-clock time of zero; every other time of the call follows from it.

    The event loop's own time is not used: uvloop counts it in whole milliseconds and stops it within an iteration.
    """

    __slots__ = ("_monotonic", "_zero", "origin")

    def __init__(self, origin: datetime, *, monotonic: Callable[[], float] = monotonic) -> None:
        self._monotonic = monotonic
        self._zero = monotonic()
        self.origin = origin

    def now_ms(self) -> float:
        """Milliseconds since the call was claimed."""
        return (self._monotonic() - self._zero) * 1000

    def wall_time(self, at_ms: float) -> datetime:
        """The time of day of an instant of the call."""
        return self.origin + timedelta(milliseconds=at_ms)

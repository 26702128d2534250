"""The clock of one call: ms since it was claimed, on the loop's monotonic time, anchored to wall time once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta


class CallClock:
    """``origin`` is the wall-clock time of zero; every other time of the call follows from it."""

    __slots__ = ("_loop", "_zero", "origin")

    def __init__(self, loop: asyncio.AbstractEventLoop, origin: datetime) -> None:
        self._loop = loop
        self._zero = loop.time()
        self.origin = origin

    def now_ms(self) -> float:
        return (self._loop.time() - self._zero) * 1000

    def wall_time(self, at_ms: float) -> datetime:
        return self.origin + timedelta(milliseconds=at_ms)

    def loop_time(self, at_ms: float) -> float:
        """For ``loop.call_at``."""
        return self._zero + at_ms / 1000

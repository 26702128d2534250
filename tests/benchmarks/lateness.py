"""By how much an event loop is late: what those feel who share it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

LOOK_SECONDS = 0.005
"""So seldom that looking costs next to nothing of what is measured beside it."""


@dataclass(frozen=True)
class Stops:
    """The longest ones, in milliseconds: on the clock, and of the processor time that the loop's thread used meanwhile,
    which other processes of the machine do not make longer."""

    late_ms: float
    computed_ms: float

    def __str__(self) -> str:
        return f"loop late by {self.late_ms:.1f} ms at most, held for {self.computed_ms:.1f} ms of computing at most"


class Lateness:
    """The longest delays since it was asked last."""

    def __init__(self) -> None:
        self._late_s = self._computed_s = 0.0

    def taken(self) -> Stops:
        """Forget them, too."""
        stops = Stops(self._late_s * 1000, self._computed_s * 1000)
        self._late_s = self._computed_s = 0.0
        return stops

    async def measure(self) -> None:
        """For as long as it is not cancelled."""
        while True:
            due, computed = time.perf_counter() + LOOK_SECONDS, time.thread_time()
            await asyncio.sleep(LOOK_SECONDS)
            self._late_s = max(self._late_s, time.perf_counter() - due)
            self._computed_s = max(self._computed_s, time.thread_time() - computed)


@asynccontextmanager
async def measured_lateness() -> AsyncIterator[Lateness]:
    """Of the loop that this is entered on."""
    lateness = Lateness()
    measuring = asyncio.create_task(lateness.measure())
    try:
        yield lateness
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)

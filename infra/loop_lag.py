"""How late an event loop is: a task that asks to be woken at even times, and notes by how much it was not."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from time import monotonic

EVERY_SECONDS = 0.25
KEPT = 240
"""Looks that are remembered: a minute of them."""


class LoopLag:
    """Use ``measured_loop_lag``."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=KEPT)

    @property
    def worst_seconds(self) -> float:
        """The longest delay of the last minute."""
        return max(self._late, default=0.0)

    async def measure(self) -> None:
        """For as long as it is not cancelled."""
        while True:
            due = monotonic() + EVERY_SECONDS
            await asyncio.sleep(EVERY_SECONDS)
            self._late.append(max(monotonic() - due, 0.0))


@contextlib.asynccontextmanager
async def measured_loop_lag() -> AsyncIterator[LoopLag]:
    """Of the loop that this is entered on."""
    lag = LoopLag()
    task = asyncio.create_task(lag.measure(), name="loop-lag")
    try:
        yield lag
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

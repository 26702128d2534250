"""Calls that come or go at the same instant, as when a load balancer restarts, do so one after the other."""

from __future__ import annotations

import asyncio


class Turnstile:
    """Lets one through in a turn of the loop, in the order of their coming: a crowd then delays those who talk by one
    step of it and not by all of them. Alone one waits for a single turn."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def passed(self) -> None:
        """Wait for one's turn."""
        async with self._lock:
            await asyncio.sleep(0)

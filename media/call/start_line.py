"""Calls that begin stand in line: they are put together one after the other, a step in each turn of the loop.

That spares the calls that run, and makes of every start a small probe of the loop: where it is full, the line stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

_TURNS_OF_A_START = 3
"""A call leaves the line while others answer that it has asked: servers of its tools, the thread of its recording."""
_NEWEST_WEIGHT = 0.2


class StartLine:
    """One process's. Turns are given out in the order in which they were asked for."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._since: dict[object, float] = {}
        self._coming: dict[object, float] = {}
        self._turn_s = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Nobody else is put together inside the context."""
        place = object()
        self._since[place] = monotonic()
        try:
            async with self._lock:
                began_s = monotonic()
                try:
                    yield
                finally:
                    self._turn_s += _NEWEST_WEIGHT * (monotonic() - began_s - self._turn_s)
        finally:
            del self._since[place]

    @contextmanager
    def coming(self) -> Iterator[None]:
        """A call inside the context will stand in line as soon as this process has done what it waits for: brought its
        claim to the log, opened its recording."""
        place = object()
        self._coming[place] = monotonic()
        try:
            yield
        finally:
            del self._coming[place]

    @property
    def wait_ms(self) -> float:
        """How long a call that came now would wait, as far as that can be told: as long as the one in front has, and as
        long as the line takes at the pace of the latest starts."""
        now_s = monotonic()
        stood_s = max(
            (now_s - next(iter(places.values())) for places in (self._since, self._coming) if places), default=0
        )
        turns = len(self._since) + _TURNS_OF_A_START * len(self._coming)
        return max(stood_s, turns * self._turn_s) * 1000

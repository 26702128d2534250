"""The 20 ms clock of the process: one timer for all calls, which are spread over four beats."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic, thread_time
from typing import Protocol

from media.audio.framing import FRAME_MS

_GROUPS = 4
_BEAT_S = FRAME_MS / 1000 / _GROUPS
_WINDOW_BEATS = 200
_SUSTAINED_WINDOWS = 3
_BUSY_BEATS = 50
_BUSY_WINDOWS = 4
"""A second of quarters: long enough for a burst of calls that begin, short enough for many that follow each other."""


class Ticked(Protocol):
    """What wants the clock: a call."""

    def tick(self) -> None: ...


class Ticker:
    """Calls ``tick`` of everything that joined, every 20 ms. Sleeps while nothing has."""

    def __init__(self, *, window_beats: int = _WINDOW_BEATS) -> None:
        self._window_beats = window_beats
        self._groups: list[list[Ticked]] = [[] for _ in range(_GROUPS)]
        self._busy = asyncio.Event()
        self.worst_lag_ms = 0.0
        """The latest beat of the last second; what is late here is late for every call."""
        self._windows: deque[float] = deque(maxlen=_SUSTAINED_WINDOWS)
        self._shares: deque[float] = deque(maxlen=_BUSY_WINDOWS)

    def join(self, ticked: Ticked) -> None:
        min(self._groups, key=len).append(ticked)
        self._busy.set()

    def leave(self, ticked: Ticked) -> None:
        for group in self._groups:
            if ticked in group:
                group.remove(ticked)
        if not any(self._groups):
            self._busy.clear()
            self._windows.clear()
            self._shares.clear()

    @property
    def sustained_lag_ms(self) -> float:
        """The 99th percentile of the beats' delays that each of the last seconds reached; 0 before there are enough."""
        return min(self._windows) if len(self._windows) == _SUSTAINED_WINDOWS else 0.0

    @property
    def busy_share(self) -> float:
        """Which part of the last second this thread worked, from 0 to 1; 0 before there was one.

        Delays say little before the loop is full: it then serves more at each turn, and every step of a call waits for
        a longer one. This says so before.
        """
        return sum(self._shares) / _BUSY_WINDOWS if len(self._shares) == _BUSY_WINDOWS else 0.0

    async def run(self) -> None:
        while True:
            await self._busy.wait()
            due = monotonic()
            beat = 0
            looked, worked = due, thread_time()
            delays_s: list[float] = []
            while self._busy.is_set():
                due += _BEAT_S
                await asyncio.sleep(max(0.0, due - monotonic()))
                late_s = monotonic() - due
                delays_s.append(late_s)
                if late_s > _BEAT_S:
                    # Go on from here instead of catching up in a burst.
                    due += late_s
                self._tick(beat % _GROUPS)
                beat += 1
                if beat % _BUSY_BEATS == 0:
                    now, done = monotonic(), thread_time()
                    self._shares.append((done - worked) / max(now - looked, 1e-6))
                    looked, worked = now, done
                if beat % self._window_beats == 0:
                    delays_s.sort()
                    self.worst_lag_ms = delays_s[-1] * 1000
                    self._windows.append(delays_s[-max(1, self._window_beats // 100)] * 1000)
                    delays_s.clear()

    def _tick(self, group: int) -> None:
        for ticked in tuple(self._groups[group]):
            ticked.tick()

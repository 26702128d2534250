"""The 20 ms clock of the process: one timer for all calls, which are spread over four beats."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic, thread_time
from typing import NamedTuple, Protocol

from media.audio.framing import FRAME_MS

_GROUPS = 4
_BEAT_S = FRAME_MS / 1000 / _GROUPS
_WINDOW_S = 1.0
_SUSTAINED_WINDOWS = 3
_QUARTER_S = 0.25
_QUARTERS = 4
"""A second of quarters: long enough for a burst of calls that begin, short enough for many that follow each other."""


class Ticked(Protocol):
    """What wants the clock: a call."""

    def tick(self) -> None: ...


class Work(NamedTuple):
    """What the thread that serves all calls did lately. ``seconds`` is how much of the last one is known.

    ``busy`` is the part of that time in which it worked, from 0 to 1, and ``newest`` the same of its last quarter,
    ``running`` how many calls there were in the mean, and ``begun`` how many of them came.
    """

    seconds: float
    busy: float
    newest: float
    running: float
    begun: int


UNWATCHED = Work(0.0, 0.0, 0.0, 0.0, 0)
"""Nothing is known yet."""


class _Quarter(NamedTuple):
    wall_s: float
    worked_s: float
    running: int
    begun: int


class Ticker:
    """Calls ``tick`` of everything that joined, every 20 ms. Sleeps while nothing has."""

    def __init__(self, *, window_s: float = _WINDOW_S) -> None:
        self._window_s = window_s
        self._groups: list[list[Ticked]] = [[] for _ in range(_GROUPS)]
        self._busy = asyncio.Event()
        self.worst_lag_ms = 0.0
        """The latest beat of the last second; what is late here is late for every call."""
        self._windows: deque[float] = deque(maxlen=_SUSTAINED_WINDOWS)
        self._quarters: deque[_Quarter] = deque(maxlen=_QUARTERS)
        self._begun = 0

    def join(self, ticked: Ticked) -> None:
        min(self._groups, key=len).append(ticked)
        self._begun += 1
        self._busy.set()

    def leave(self, ticked: Ticked) -> None:
        for group in self._groups:
            if ticked in group:
                group.remove(ticked)
        if not any(self._groups):
            self._busy.clear()
            self._windows.clear()
            self._quarters.clear()
            self._begun = 0

    @property
    def running(self) -> int:
        """How many have joined and not left."""
        return sum(len(group) for group in self._groups)

    @property
    def sustained_lag_ms(self) -> float:
        """The 99th percentile of the beats' delays that each of the last seconds reached; 0 before there are enough."""
        return min(self._windows) if len(self._windows) == _SUSTAINED_WINDOWS else 0.0

    @property
    def work(self) -> Work:
        """What the thread did in the last second.

        Delays say little before the loop is full: it then serves more at each turn, and every step of a call waits for
        a longer one. This says so before.
        """
        wall_s = sum(quarter.wall_s for quarter in self._quarters)
        if not wall_s:
            return UNWATCHED
        return Work(
            wall_s,
            min(1.0, sum(quarter.worked_s for quarter in self._quarters) / wall_s),
            min(1.0, self._quarters[-1].worked_s / self._quarters[-1].wall_s),
            sum(quarter.running * quarter.wall_s for quarter in self._quarters) / wall_s,
            sum(quarter.begun for quarter in self._quarters),
        )

    async def run(self) -> None:
        while True:
            await self._busy.wait()
            due = monotonic()
            beat = 0
            window_since = quarter_since = due
            worked_s = thread_time()
            delays_s: list[float] = []
            while self._busy.is_set():
                due += _BEAT_S
                await asyncio.sleep(max(0.0, due - monotonic()))
                if not self._busy.is_set():
                    break  # the last one left meanwhile, and what was seen until then is forgotten
                now = monotonic()
                late_s = now - due
                delays_s.append(late_s)
                if late_s > _BEAT_S:
                    # Go on from here instead of catching up in a burst.
                    due += late_s
                self._tick(beat % _GROUPS)
                beat += 1
                if now - quarter_since >= _QUARTER_S:
                    worked_s = self._end_quarter(now - quarter_since, worked_s)
                    quarter_since = now
                if now - window_since >= self._window_s:
                    delays_s.sort()
                    self.worst_lag_ms = delays_s[-1] * 1000
                    self._windows.append(delays_s[-max(1, len(delays_s) // 100)] * 1000)
                    delays_s.clear()
                    window_since = now

    def _tick(self, group: int) -> None:
        for ticked in tuple(self._groups[group]):
            ticked.tick()

    def _end_quarter(self, wall_s: float, worked_s: float) -> float:
        """Note what was done since the thread had worked for ``worked_s``; what it has worked for now."""
        now_s = thread_time()
        self._quarters.append(_Quarter(wall_s, now_s - worked_s, self.running, self._begun))
        self._begun = 0
        return now_s

"""The garbage collector belongs to the media tier: its pauses are silence in somebody's ear.

What start-up made is frozen out of every collection; while calls run only the youngest generation is collected; a
full collection happens when there has been no call for a while.
"""

from __future__ import annotations

import asyncio
import gc

_NEVER = 1_000_000
_IDLE_S = 2.0
"""A call may follow the last one at once, and should not wait for a collection."""


class CollectorPolicy:
    """Counts running calls and sets the collector accordingly. ``restore`` puts back what was found.

    It is used on an event loop, which ``idle_s`` after the last call spends some tens of milliseconds on a collection.
    """

    def __init__(self, *, idle_s: float = _IDLE_S) -> None:
        self._idle_s = idle_s
        self._idle: asyncio.TimerHandle | None = None
        self._found = gc.get_threshold()
        self._running = 0
        self._frozen = False

    def started_up(self) -> None:
        """Everything alive now stays: never look at it again.

        A process that has frozen what lives as long as itself already is left as it is, also by ``restore``.
        """
        if gc.get_freeze_count():
            return
        gc.collect()
        gc.freeze()
        self._frozen = True

    def call_began(self) -> None:
        self._running += 1
        self._forget_idleness()
        if self._running == 1:
            gc.set_threshold(self._found[0] or 700, _NEVER, _NEVER)

    def call_ended(self) -> None:
        self._running -= 1
        if self._running == 0:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._collect)

    def _collect(self) -> None:
        gc.set_threshold(*self._found)
        gc.collect()

    def _forget_idleness(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def restore(self) -> None:
        self._forget_idleness()
        gc.set_threshold(*self._found)
        if self._frozen:
            gc.unfreeze()
            self._frozen = False

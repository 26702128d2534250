"""The garbage collector belongs to the media tier: its pauses are silence in somebody's ear.

What start-up made is frozen out of every collection; while calls run only the youngest generation is collected; a
full collection happens when the last call has ended.
"""

from __future__ import annotations

import gc

_NEVER = 1_000_000


class CollectorPolicy:
    """Counts running calls and sets the collector accordingly. ``restore`` puts back what was found."""

    def __init__(self) -> None:
        self._found = gc.get_threshold()
        self._running = 0
        self._frozen = False

    def started_up(self) -> None:
        """Everything alive now stays: never look at it again."""
        gc.collect()
        gc.freeze()
        self._frozen = True

    def call_began(self) -> None:
        self._running += 1
        if self._running == 1:
            gc.set_threshold(self._found[0] or 700, _NEVER, _NEVER)

    def call_ended(self) -> None:
        self._running -= 1
        if self._running == 0:
            gc.set_threshold(*self._found)
            gc.collect()

    def restore(self) -> None:
        gc.set_threshold(*self._found)
        if self._frozen:
            gc.unfreeze()
            self._frozen = False

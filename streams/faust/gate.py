"""The log as far as Faust has delivered it: what a runner may process of a shard that is assigned to this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress

from domain.log.ports import EventLog, Positioned
from domain.log.position import Position


class GatedLog:
    """An ``EventLog`` of one shard that ends at ``opened_to``, which only grows. Thread-safe.

    The events themselves come from this node's replica, where void commits and repetitions are settled already.
    """

    def __init__(self, log: EventLog, opened_to: Position) -> None:
        self._log = log
        self._opened_to = opened_to
        self._guard = threading.Lock()
        self._wakes: list[Callable[[], None]] = []

    @property
    def opened_to(self) -> Position:
        """The last position that may be read."""
        return self._opened_to

    def open_to(self, position: Position) -> None:
        """Events up to here were delivered."""
        with self._guard:
            self._opened_to = max(self._opened_to, position)
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    def head(self, shard: int = 0) -> Position:
        """Where the gate stands."""
        return self._opened_to

    def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]:
        """See ``EventLog.read``; nothing behind the gate."""
        most = self._opened_to.ordinal - after.ordinal
        if most <= 0:
            return ()
        found = self._log.read(after, min(limit, most), types)
        return [event for event in found if event.position <= self._opened_to] if types is not None else found

    def history(self, originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
        """See ``EventLog.history``; all of it, since a fold stops at the event it is about."""
        return self._log.history(originator_id, after_version=after_version)

    async def follow(
        self, after: Position, types: frozenset[str] | None = None
    ) -> AsyncGenerator[Sequence[Positioned], None]:
        """See ``EventLog.follow``; it goes on until its reader closes it."""
        loop, grown = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(grown.set)

        with self._guard:
            self._wakes.append(wake)
        try:
            while True:
                grown.clear()
                if batch := self.read(after, _FOLLOW_BATCH, types):
                    after = batch[-1].position
                    yield batch
                else:
                    await grown.wait()
        finally:
            with self._guard:
                self._wakes.remove(wake)

    async def wait_for(self, position: Position, timeout_s: float) -> bool:
        """See ``EventLog.wait_for``."""
        return await self._log.wait_for(position, timeout_s)


_FOLLOW_BATCH = 500

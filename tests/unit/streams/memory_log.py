"""A log in memory that behaves as the port says, for tests that choose every event and position themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from domain.event import Recorded
from domain.log.ports import LogUnavailable, Positioned
from domain.log.position import Position


class MemoryLog:
    """Implements ``EventLog``. Append from any thread; ``away`` makes every reading fail until it is unset."""

    def __init__(self, events: Sequence[Positioned] = ()) -> None:
        self.events = list(events)
        self.away = False
        self.histories_read = 0
        self._followers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def append(self, *recorded: Recorded) -> Position:
        for one in recorded:
            self.events.append(Positioned(Position(0, len(self.events) + 1), one))
        for loop, grown in self._followers:
            loop.call_soon_threadsafe(grown.set)
        return self.head()

    def head(self, shard: int = 0) -> Position:
        return Position(shard, len(self.events))

    def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]:
        if self.away:
            raise LogUnavailable("the log is away")
        found = self.events[after.ordinal : after.ordinal + limit]
        return [event for event in found if types is None or event.recorded.event.TYPE in types]

    def read_share(
        self, after: Position, limit: int, holds: Callable[[str], bool]
    ) -> tuple[Sequence[Positioned], Position]:
        events = self.read(after, limit)
        own = [event for event in events if holds(event.recorded.originator_id)]
        return own, events[-1].position if events else after

    def history(self, originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
        self.histories_read += 1
        return [
            event
            for event in self.events
            if event.recorded.originator_id == originator_id and event.recorded.originator_version > after_version
        ]

    async def wait_for(self, position: Position, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                async for batch in self.follow(Position(0, 0)):
                    if batch[-1].position >= position:
                        return True
        except TimeoutError:
            return False
        return False

    async def follow(self, after: Position, types: frozenset[str] | None = None) -> AsyncIterator[Sequence[Positioned]]:
        follower = asyncio.get_running_loop(), asyncio.Event()
        self._followers.append(follower)
        try:
            while True:
                follower[1].clear()
                if events := self.read(after, 100, types):
                    after = events[-1].position
                    yield events
                else:
                    await follower[1].wait()
        finally:
            self._followers.remove(follower)

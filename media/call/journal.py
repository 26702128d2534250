"""Domain events of one call on their way to the log, in order and in batches.

An event stays here until the log has acknowledged it, so a log that is away for a while loses nothing: what was refused
is sent again, in the same order, under the same commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile
from typing import Protocol

from domain.event import Event
from domain.log.ports import Appended, Commands, IdSource
from media.call.spool_records import Fact, part_id

_BATCH = 256
"""Events of one commit at most, so that one long backlog does not become one huge record."""


@dataclass(slots=True, eq=False)
class Batch:
    """Events that go to the log as one commit. ``spooled`` once they are on their way to disk, ``kept`` once there."""

    commit_id: str
    size: int
    spooled: bool = False
    kept: bool = False
    last_of: Batch | None = None
    """The batch that this is the last part of, where it was split up."""
    taken: bool = False
    """The log has all of it."""


class JournalKeeper(Protocol):
    """Who empties journals."""

    @property
    def overflowing(self) -> bool:
        """More waits for the log than may."""

    def wake(self, journal: Journal) -> None:
        """The journal has something to send."""

    def release(self, batch: Batch) -> None:
        """The log has the batch: it need not be kept any longer."""


class Journal:
    """The events of one call that the log has not acknowledged yet. ``away`` while the log does not take them."""

    def __init__(self, call_id: str, keeper: JournalKeeper, cap: int) -> None:
        self.call_id = call_id
        self.away = False
        self._keeper = keeper
        self._cap = cap
        self._pending: deque[Fact] = deque()
        self._sealed: deque[Batch] = deque()
        """The batches that the first pending events are in; the rest can still join one."""
        self._sealed_events = 0
        self._batch = _BATCH
        self._empty = asyncio.Event()
        self._empty.set()

    def append(self, event: Event, time: datetime) -> None:
        """Keep the event; it reaches the log soon after every earlier one of this call. Never blocks."""
        self._pending.append((event, time))
        self._empty.clear()
        self._keeper.wake(self)

    @property
    def overdue(self) -> bool:
        """More waits than is healthy: the call should end, since the log does not take what it does."""
        return len(self._pending) > self._cap or self._keeper.overflowing

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def unkept(self) -> int:
        """Events that neither the log nor the spool has."""
        return len(self._pending) - sum(batch.size for batch in self._sealed if batch.kept)

    async def flushed(self) -> None:
        """Wait until the log has everything that was appended so far."""
        await self._empty.wait()

    async def send(self, commands: Commands, new_id: IdSource) -> Appended | None:
        """Append one batch. Raises ``LogUnavailable`` and keeps the batch."""
        if not self._pending:
            return None
        if not self._sealed:
            self._seal(new_id)
        batch = self._sealed[0]
        facts = list(islice(self._pending, batch.size))
        appended = await commands.record(
            self.call_id, [event for event, _ in facts], [time for _, time in facts], commit_id=batch.commit_id
        )
        self._taken()
        return appended

    def isolate(self) -> Event | None:
        """Something in the batch cannot be appended: send one event at a time, and give up the one that it is.

        The event that was given up, once it is known which."""
        batch = self._sealed[0]
        if batch.size == 1:
            event, _ = self._pending[0]
            self._taken()
            return event
        self._sealed.popleft()
        parts = [Batch(part_id(batch.commit_id, index), 1, batch.spooled, batch.kept) for index in range(batch.size)]
        # The spool has them under the whole commit's id, from which whoever reads it makes the same parts.
        parts[-1].last_of = batch
        self._sealed.extendleft(reversed(parts))
        self._batch = 1
        return None

    def unspooled(self, new_id: IdSource) -> list[tuple[Batch, tuple[Fact, ...]]]:
        """What waits and is not in the spool, in batches whose commit ids are settled from here on."""
        while self._sealed_events < len(self._pending):
            self._seal(new_id)
        return list(takewhile(lambda waiting: not waiting[0].spooled, self._from_the_end()))[::-1]

    def kept(self) -> list[tuple[Batch, tuple[Fact, ...]]]:
        """What waits and is in the spool."""
        return [waiting for waiting in self._from_the_end() if waiting[0].kept][::-1]

    def _from_the_end(self) -> Iterator[tuple[Batch, tuple[Fact, ...]]]:
        end = self._sealed_events
        for batch in reversed(self._sealed):
            start = end - batch.size
            yield batch, tuple(self._pending[index] for index in range(start, end))
            end = start

    def _seal(self, new_id: IdSource) -> None:
        size = min(len(self._pending) - self._sealed_events, self._batch)
        self._sealed.append(Batch(new_id(), size))
        self._sealed_events += size

    def _taken(self) -> None:
        batch = self._sealed.popleft()
        self._sealed_events -= batch.size
        for _ in range(batch.size):
            self._pending.popleft()
        whole = batch.last_of or batch
        whole.taken = True
        self._keeper.release(whole)
        if not self._pending:
            self._batch = _BATCH
            self._empty.set()

"""Domain events on their way to the log: kept in order per call, appended in batches off the hot path.

One flusher serves all calls of the process. An event stays in its journal until the log has acknowledged it, so a
log that is away for a while loses nothing: what was refused is sent again, in the same order, under the same commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import datetime

from domain.aggregate import Refused
from domain.event import Event
from domain.log.ports import Appended, Commands, IdSource, LogUnavailable

_log = logging.getLogger(__name__)

_BATCH = 256
"""Events of one commit at most, so that one long backlog does not become one huge record."""
_LONGEST_PAUSE_S = 5.0


class Journal:
    """The events of one call that the log has not acknowledged yet."""

    def __init__(self, call_id: str, writer: JournalWriter, cap: int) -> None:
        self.call_id = call_id
        self._writer = writer
        self._cap = cap
        self._pending: deque[tuple[Event, datetime]] = deque()
        self._in_flight: tuple[str, int] | None = None
        """Commit id and length of the batch that was sent and not acknowledged."""
        self._batch = _BATCH
        self._empty = asyncio.Event()
        self._empty.set()

    def append(self, event: Event, time: datetime) -> None:
        """Keep the event; it reaches the log soon after every earlier one of this call. Never blocks."""
        self._pending.append((event, time))
        self._empty.clear()
        self._writer.wake(self)

    @property
    def overdue(self) -> bool:
        """More waits than is healthy: the call should end, since the log does not take what it does."""
        return len(self._pending) > self._cap

    def __len__(self) -> int:
        return len(self._pending)

    async def flushed(self) -> None:
        """Wait until the log has everything that was appended so far."""
        await self._empty.wait()

    async def send(self, commands: Commands, new_id: IdSource) -> Appended | None:
        """Append one batch. Raises ``LogUnavailable`` and keeps the batch."""
        if not self._pending:
            return None
        if self._in_flight is None:
            self._in_flight = (new_id(), min(len(self._pending), self._batch))
        commit_id, size = self._in_flight
        batch = [self._pending[index] for index in range(size)]
        appended = await commands.record(
            self.call_id, [event for event, _ in batch], [time for _, time in batch], commit_id=commit_id
        )
        self._taken(size)
        return appended

    def isolate(self) -> Event | None:
        """Something in the batch cannot be appended: send one event at a time, and give up the one that it is.

        The event that was given up, once it is known which."""
        assert self._in_flight is not None, "only a batch that was sent can be refused"
        _, size = self._in_flight
        self._in_flight, self._batch = None, 1
        if size > 1:
            return None
        event, _ = self._pending[0]
        self._taken(1)
        return event

    def _taken(self, size: int) -> None:
        self._in_flight = None
        for _ in range(size):
            self._pending.popleft()
        if not self._pending:
            self._batch = _BATCH
            self._empty.set()


class JournalWriter:
    """The one flusher of a process: run ``run`` as a task for as long as there are calls.

    At most ``concurrency`` appends are under way at once.
    """

    def __init__(self, commands: Commands, new_id: IdSource, *, retry_s: float, concurrency: int = 8) -> None:
        self._commands = commands
        self._new_id = new_id
        self._retry_s = retry_s
        self._slots = asyncio.Semaphore(concurrency)
        self._due: dict[str, Journal] = {}
        self._sending: set[Journal] = set()
        self._work = asyncio.Event()
        self.available = True
        """Whether the last append was accepted."""
        self.appended = 0
        self.refusals = 0

    def open(self, call_id: str, cap: int) -> Journal:
        """A journal for a call that begins."""
        return Journal(call_id, self, cap)

    def wake(self, journal: Journal) -> None:
        """The journal has something to send."""
        self._due[journal.call_id] = journal
        self._work.set()

    async def run(self) -> None:
        """Send for ever: each call's batches one after the other, calls independent of each other."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._work.wait()
                self._work.clear()
                due, self._due = self._due, {}
                for journal in due.values():
                    if journal not in self._sending:
                        self._sending.add(journal)
                        group.create_task(self._send_all(journal), name=f"journal-{journal.call_id}")

    async def _send_all(self, journal: Journal) -> None:
        pause_s = self._retry_s
        try:
            while len(journal):
                if await self._send(journal):
                    pause_s = self._retry_s
                else:
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        finally:
            self._sending.discard(journal)

    async def _send(self, journal: Journal) -> bool:
        async with self._slots:
            try:
                appended = await journal.send(self._commands, self._new_id)
            except (LogUnavailable, Refused) as error:
                # Refused: the append lost every race against other writers of this call; nothing was appended.
                self.refusals += 1
                if self.available:
                    _log.warning("journal.log_unavailable", extra={"call_id": journal.call_id, "reason": str(error)})
                self.available = False
                return False
            except Exception:
                # A defect of one event (it cannot be encoded, say) must not keep every other one from the log.
                given_up = journal.isolate()
                kind = given_up.TYPE if given_up is not None else "one of a batch"
                _log.exception("journal.event_refused", extra={"call_id": journal.call_id, "event_type": kind})
                appended = None
        if appended is not None:
            self.available = True
            self.appended += len(appended.events)
        return True

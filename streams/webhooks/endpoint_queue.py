"""What a dispatcher has in hand of one endpoint: which message comes next, and which ones wait for others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from streams.webhooks.breaker import Breaker
from streams.webhooks.due import DueRow, EndpointRow

PAGE: Final = 200
"""Messages that are looked up at once."""
NEVER: Final = float("inf")


@dataclass
class EndpointQueue:
    """``look_up`` gives the messages that wait, the next one first, at most as many as asked for.

    A message whose outcome has not come back through the log is ``unsettled``: the outbox still says that it waits.
    """

    org_id: str
    endpoint: str
    look_up: Callable[[str, int], list[DueRow]]
    known: EndpointRow = field(default_factory=EndpointRow)
    in_flight: int = 0
    claiming: bool = False
    due_ms: float = NEVER
    look_again_ms: float = NEVER
    unsettled: set[str] = field(default_factory=set)
    breaker: Breaker = field(default_factory=Breaker)
    _busy: set[str] = field(default_factory=set)
    """Calls whose next message must wait, since a first attempt is under way."""
    _held: dict[str, deque[DueRow]] = field(default_factory=dict)
    _ready: deque[DueRow] = field(default_factory=deque)
    _changed: bool = True
    _more: bool = False

    def changed(self) -> None:
        """The outbox has something new of this endpoint."""
        self._changed = True

    def settled(self, message_id: str) -> None:
        """Its outcome is in the outbox."""
        self.unsettled.discard(message_id)

    def next(self, now_ms: float) -> DueRow | None:
        """The message that may start now; it stays until ``start``. Without one ``due_ms`` says when to ask again."""
        self.due_ms = NEVER
        while True:
            if self._changed and (not self._ready or self._ready[0].due_ms > now_ms):
                self._read()
            if not self._ready:
                if not self._more:
                    return None
                self._read()
                if not self._ready:
                    # All that could be looked up waits for others.
                    return None
            row = self._ready[0]
            if row.due_ms > now_ms:
                self.due_ms = row.due_ms
                return None
            if row.about in self._busy:
                self._held.setdefault(row.about, deque()).append(self._ready.popleft())
                continue
            return row

    def start(self) -> DueRow:
        """Take the message that ``next`` gave."""
        row = self._ready.popleft()
        self.unsettled.add(row.id)
        self.in_flight += 1
        if row.tried == 0:
            self._busy.add(row.about)
        return row

    def ended(self, row: DueRow) -> None:
        """An attempt is over; those that waited for a first one may go on."""
        self.in_flight -= 1
        if row.tried == 0:
            self._busy.discard(row.about)
            self._ready.extendleft(reversed(self._held.pop(row.about, ())))

    def _read(self) -> None:
        waiting = {row.id for rows in self._held.values() for row in rows} | self.unsettled
        limit = PAGE + len(waiting)
        rows = self.look_up(self.endpoint, limit)
        self._ready = deque(row for row in rows if row.id not in waiting)
        self._changed, self._more = False, len(rows) == limit

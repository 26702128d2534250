"""What a dispatcher has in hand of one endpoint: which message comes next, and which ones wait for others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from streams.webhooks.breaker import Breaker
from streams.webhooks.due import Due, DueRow, EndpointRow

PAGE: Final = 200
"""Messages that are looked up at once."""
LOADED: Final = 20
"""Messages whose bytes are read at once: as many as an endpoint is sent at once."""
LOADED_BYTES: Final = 256 << 10
"""After how many bytes of bodies no more messages are read ahead."""
NEVER: Final = float("inf")


@dataclass
class EndpointQueue:
    """``look_up`` gives the messages that wait, the next one first, at most as many as asked for; ``load`` reads some
    of them whole.

    A message whose outcome has not come back through the log is ``unsettled``: the outbox still says that it waits.
    """

    org_id: str
    endpoint: str
    look_up: Callable[[str, int], list[DueRow]]
    load: Callable[[Sequence[str]], dict[str, Due]]
    known: EndpointRow = field(default_factory=EndpointRow)
    in_flight: int = 0
    claiming: bool = False
    left_until_ms: float = 0.0
    """Nobody serves it: until then it is left to whoever it falls to."""
    kept_until_ms: float = 0.0
    """Whoever it falls to did not claim it in time: until then it is not handed over."""
    due_ms: float = NEVER
    look_again_ms: float = NEVER
    unsettled: set[str] = field(default_factory=set)
    breaker: Breaker = field(default_factory=Breaker)
    _busy: set[str] = field(default_factory=set)
    """Calls whose next message must wait, since a first attempt is under way."""
    _held: dict[str, deque[DueRow]] = field(default_factory=dict)
    _ready: deque[DueRow] = field(default_factory=deque)
    _started: dict[str, DueRow] = field(default_factory=dict)
    """Those that are under way and whose bytes nobody has asked for yet."""
    _loaded: dict[str, Due] = field(default_factory=dict)
    _now_ms: float = 0.0
    _changed: bool = True
    _more: bool = False

    def changed(self) -> None:
        """The outbox has something new of this endpoint: perhaps other bytes for what was read ahead."""
        self._changed = True
        self._loaded.clear()

    def settled(self, message_id: str) -> None:
        """Its outcome is in the outbox."""
        self.unsettled.discard(message_id)
        self._loaded.pop(message_id, None)

    def next(self, now_ms: float) -> DueRow | None:
        """The message that may start now; it stays until ``start``. Without one ``due_ms`` says when to ask again."""
        self.due_ms, self._now_ms = NEVER, now_ms
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
        self._started[row.id] = row
        self.in_flight += 1
        if row.tried == 0:
            self._busy.add(row.about)
        return row

    def take(self, row: DueRow) -> Due | None:
        """A message that was started, whole; ``None`` where it is gone. Those that come next are read along with it:
        most of what a read costs does not depend on how much is read."""
        if row.id not in self._loaded:
            self._loaded = self.load([row.id, *self._next_to_load(row)])
        self._started.pop(row.id, None)
        return self._loaded.pop(row.id, None)

    def ended(self, row: DueRow) -> None:
        """An attempt is over; those that waited for a first one may go on."""
        self.in_flight -= 1
        self._started.pop(row.id, None)
        if row.tried == 0:
            self._busy.discard(row.about)
            self._ready.extendleft(reversed(self._held.pop(row.about, ())))

    def _next_to_load(self, row: DueRow) -> Iterator[str]:
        """What is under way already comes first; together they stay within bounds. What is not due yet may wait for
        hours, and would take up memory until then."""
        read, read_bytes = 1, row.body_bytes
        for other in chain(self._started.values(), self._ready):
            if other.id == row.id or other.due_ms > self._now_ms:
                continue
            read, read_bytes = read + 1, read_bytes + other.body_bytes
            if read > LOADED or read_bytes > LOADED_BYTES:
                return
            yield other.id

    def _read(self) -> None:
        waiting = {row.id for rows in self._held.values() for row in rows} | self.unsettled
        limit = PAGE + len(waiting)
        rows = self.look_up(self.endpoint, limit)
        self._ready = deque(row for row in rows if row.id not in waiting)
        self._changed, self._more = False, len(rows) == limit

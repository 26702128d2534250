"""How many calls an organisation may have at the same time, and what Vapi tells about it as ``subscriptionLimits``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from domain.call.state import Call, Ended
from domain.log.ports import Clock, Documents

LIMIT_REACHED: Final = "call.start.error-subscription-concurrency-limit-reached"
"""The ended reason of a call that found no slot; https://docs.vapi.ai/calls/call-ended-reason."""
ACTIVE: Final = ("queued", "ringing", "in-progress", "forwarding")
_LONGEST_CALL: Final = timedelta(hours=13)
"""Calls may last twelve hours; older ones need not be looked at."""


@dataclass(frozen=True)
class Slot:
    """Whether there was room for one call more."""

    limit: int
    others: int

    @property
    def blocked(self) -> bool:
        """Whether the call cannot start."""
        return self.others >= self.limit

    def body(self, call: Call) -> dict[str, Any]:
        """``subscriptionLimits``: whether the call found no room, perhaps when an earlier request made it, and what
        remains now, the call itself counted."""
        return {
            "concurrencyBlocked": isinstance(call, Ended) and call.end.reason == LIMIT_REACHED,
            "concurrencyLimit": self.limit,
            "remainingConcurrentCalls": max(0, self.limit - self.others),
        }


class CallSlots:
    """Counts the calls that wait or run, by the documents of this node and what it is creating at this moment."""

    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._coming: Counter[str] = Counter()

    @contextmanager
    def taken(self, org_id: str, limit: int, call_id: str) -> Iterator[Slot]:
        """A slot for a call that is created inside the context, counted from the beginning, or was created before."""
        document = self._documents.get("call", call_id, org_id=org_id)
        itself = document is not None and document.keys.status in ACTIVE
        slot = Slot(limit, self._running(org_id, self._clock()) + self._coming[org_id] - itself)
        self._coming[org_id] += 1
        try:
            yield slot
        finally:
            self._coming[org_id] -= 1
            if not self._coming[org_id]:
                del self._coming[org_id]

    def _running(self, org_id: str, now: datetime) -> int:
        return self._documents.count("call", org_id=org_id, status=ACTIVE, created=(("ge", now - _LONGEST_CALL),))

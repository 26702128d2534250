"""Decoded states that were just folded or read, so that a live call is not decoded again for each of its commits."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

CAPACITY = 512
"""Aggregates kept: more than the calls that a process serves at once. An ended call of minutes takes some 120 KB."""
IDLE_SECONDS = 120.0
"""How long one is kept that nobody asks for: what is over makes room, where few calls run too."""


class _Entry(msgspec.Struct, gc=False):
    version: int
    state: Any
    used_s: float


class StateCache:
    """The newest known state of each originator, least recently used first out. Thread-safe. ``clock``: seconds."""

    def __init__(self, capacity: int = CAPACITY, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, kind: str, originator_id: str, version: int) -> Any | None:
        """The state at exactly this version, or ``None``."""
        key = (kind, originator_id)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.version != version:
                return None
            entry.used_s = self._clock()
            self._entries.move_to_end(key)
            return entry.state

    def put(self, kind: str, originator_id: str, version: int, state: Any) -> None:
        """Remember a state unless a newer one is known."""
        key = (kind, originator_id)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.version > version:
                return
            now_s = self._clock()
            self._entries[key] = _Entry(version, state, now_s)
            self._entries.move_to_end(key)
            while len(self._entries) > self._capacity or self._oldest().used_s < now_s - IDLE_SECONDS:
                self._entries.popitem(last=False)

    def _oldest(self) -> _Entry:
        return next(iter(self._entries.values()))

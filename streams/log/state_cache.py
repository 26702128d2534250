"""Decoded states that were just folded or read, so that a live call is not decoded again for each of its commits."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

CAPACITY = 512
"""Aggregates kept: more than the calls that a process serves at once. An ended call of minutes takes some 120 KB."""


class StateCache:
    """The newest known ``(version, state)`` of each originator, least recently used first out. Thread-safe."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[tuple[str, str], tuple[int, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, kind: str, originator_id: str, version: int) -> Any | None:
        """The state at exactly this version, or ``None``."""
        key = (kind, originator_id)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[0] != version:
                return None
            self._entries.move_to_end(key)
            return entry[1]

    def put(self, kind: str, originator_id: str, version: int, state: Any) -> None:
        """Remember a state unless a newer one is known."""
        key = (kind, originator_id)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] > version:
                return
            self._entries[key] = (version, state)
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

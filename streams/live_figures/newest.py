"""Which of two records of an entry counts.

A process that hung, and was taken for dead, may go on and publish what it had in hand when another has long counted
further. What it publishes is no lie, only old: entries say how far they have counted, and the older one is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping

from streams.live_figures.entries import Entry, MediaSource, Minute, Reached, is_call

MOST_OVER = 100_000
"""Calls that are over and are remembered as such, so that none of them comes back."""


class Newest:
    """Judges records in the order of their topic."""

    def __init__(self) -> None:
        self._over: dict[str, None] = {}

    def counts(self, key: str, entry: Entry | None, known: Mapping[str, Entry]) -> bool:
        """Whether this record of ``key`` replaces what is ``known``. A call that is over never begins again."""
        if entry is None:
            if is_call(key):
                self._over[key] = None
                if len(self._over) > MOST_OVER:
                    self._over.pop(next(iter(self._over)))
            return True
        return key not in self._over and not _is_older(entry, known.get(key))


def _is_older(entry: Entry, known: Entry | None) -> bool:
    if isinstance(entry, Minute | Reached) and isinstance(known, Minute | Reached):
        return entry.through < known.through
    return isinstance(entry, MediaSource) and isinstance(known, MediaSource) and entry.seq < known.seq

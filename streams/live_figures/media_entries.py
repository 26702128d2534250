"""Folding rows of fragments into entries: one for each process that notes fragments of a call.

An entry knows the last fragment that it counts. That alone makes it right, however ranges come: again after a crash,
late, or once more under new numbers from a sender that had heard no answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain.log.position import Position
from domain.processing import Rows
from streams.live_figures.entries import (
    KEPT_MINUTES,
    Changes,
    Entries,
    MediaMinute,
    MediaSource,
    Reached,
    reached,
    reached_key,
)
from streams.live_figures.media_facts import PARTIAL, PIECE, TABLE


def fold_media(entries: Entries, last: Position, effects: Iterable[Rows]) -> Changes:
    """Count a range of one partition that ends at ``last``: what that changes. As ``entries.fold``."""
    before = reached(entries, last.shard)
    counting = _Counting(entries, last.shard, before.minute)
    for row in (row for part in effects if part.table == TABLE for row in part.rows):
        counting.count(*row)
    if counting.newest > before.minute:
        counting.expire()
    after = Reached(max(last.ordinal, before.through), counting.newest)
    if after != before:
        counting.changes[reached_key(last.shard)] = after
    return counting.changes


class _Counting:
    def __init__(self, entries: Entries, partition: int, newest: int) -> None:
        self.changes: Changes = {}
        self.newest = newest
        self._entries = entries
        self._partition = partition

    def count(
        self, org_id: str, call_id: str, source: str, first: int, shed: int, counted: Iterable[tuple[int, int, str]]
    ) -> None:
        counted = tuple(counted)
        # Also by what is known: a crash may have come between that entry and the one that says how far all are.
        self.newest = max(self.newest, *(minute for minute, _, _ in counted))
        key = f"{self._partition}|{org_id}|media|{call_id}|{source}"
        found = self.changes[key] if key in self.changes else self._entries.get(key)
        known = found if isinstance(found, MediaSource) else MediaSource()
        new = [(minute, what) for minute, seq, what in counted if seq > known.seq]
        if not new:
            return
        minutes = dict(known.minutes)
        for minute, what in new:
            minutes[minute] = minutes.get(minute, MediaMinute()).with_one(
                partials=int(what == PARTIAL), pieces=int(what == PIECE)
            )
        if shed and first > known.seq:
            minute = new[0][0]
            minutes[minute] = minutes[minute].with_shed(shed)
        through = max(seq for _, seq, _ in counted)
        self.changes[key] = MediaSource(through, self._kept(minutes))

    def expire(self) -> None:
        mine = f"{self._partition}|"
        for key, entry in {**self._entries, **self.changes}.items():
            if key.startswith(mine) and isinstance(entry, MediaSource):
                kept = self._kept(entry.minutes)
                if kept != entry.minutes:
                    self.changes[key] = MediaSource(entry.seq, kept) if kept else None

    def _kept(self, minutes: dict[int, MediaMinute]) -> dict[int, MediaMinute]:
        oldest = self.newest - KEPT_MINUTES
        return {minute: counts for minute, counts in minutes.items() if minute >= oldest}

"""Folding rows into entries: small values under keys, each right by itself, however often a range is folded again.

Entries are what a runner keeps: in a file, or in a table whose changelog others read. Each entry of a minute knows up
to which event it counts (``through``), so that a crash between the writing of two of them costs nothing: the range
comes again, and what an entry has counted it passes over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from domain.log.position import Position
from domain.processing import Rows
from streams.live_figures.delays import Delays, merged, size_of
from streams.live_figures.facts import TABLE

KEPT_MINUTES: Final = 60
"""Minutes that are kept. Older ones are removed as events of later ones come."""

MINUTE: Final = 60
"""Seconds."""


class Reached(msgspec.Struct, frozen=True, tag="reached"):
    """How far the shard's entries are, and the minute of the newest event that was counted."""

    through: int = 0
    minute: int = 0


class ActiveCall(msgspec.Struct, frozen=True, tag="call"):
    """A call that began (seconds since 1970) and has not ended."""

    began: float
    assistant_id: str


class Minute(msgspec.Struct, frozen=True, tag="minute", omit_defaults=True):
    """What one assistant's calls came to within one minute. ``late`` are events that were counted behind ``through``.

    ``seconds`` are those of calls that have ended; those of calls that still run follow from when they began.
    ``delays`` holds delays by ``stage|provider``.
    """

    through: int = 0
    began: int = 0
    ended: int = 0
    seconds: float = 0.0
    delays: dict[str, Delays] = {}
    late: tuple[int, ...] = ()


class MediaMinute(msgspec.Struct, frozen=True, array_like=True):
    """Fragments that one source noted within one minute: partial transcripts, pieces of models' text, all, and how many
    had to be shed before they were kept."""

    partials: int = 0
    pieces: int = 0
    fragments: int = 0
    shed: int = 0

    def with_one(self, *, partials: int, pieces: int) -> MediaMinute:
        """One fragment more."""
        return MediaMinute(self.partials + partials, self.pieces + pieces, self.fragments + 1, self.shed)

    def with_shed(self, count: int) -> MediaMinute:
        """So many more that were shed."""
        return MediaMinute(self.partials, self.pieces, self.fragments, self.shed + count)


class MediaSource(msgspec.Struct, frozen=True, tag="media"):
    """What a process noted of a call, by minute (numbered from 1970), and the last of its fragments that counts."""

    seq: int = -1
    minutes: dict[int, MediaMinute] = {}


Entry = Reached | ActiveCall | Minute | MediaSource
Entries = Mapping[str, Entry]
"""By key: ``shard|``, ``shard|organisation|call|id``, ``shard|organisation|minute|number|assistant``, and of fragments,
with their partition as the shard, ``shard|organisation|media|call|source``."""

Changes = dict[str, Entry | None]
"""Entries to be set, or removed. How far the shard is comes last: what it says is only true once the rest is kept."""

Fold = Callable[[Entries, Position, Iterable[Rows]], Changes]
"""Counts a range of one shard, or partition, that ends at a position: what that changes."""

_decoder = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """As it is kept and published."""
    return msgspec.json.encode(entry)


def decode(data: bytes) -> Entry:
    """What ``encode`` made. Raises ``msgspec.DecodeError``."""
    entry: Entry = _decoder.decode(data)
    return entry


def reached_key(shard: int) -> str:
    """Where a shard keeps how far it is."""
    return f"{shard}|"


def shard_of(key: str) -> int:
    """The shard that an entry belongs to."""
    return int(key.partition("|")[0])


def reached(entries: Entries, shard: int) -> Reached:
    """How far the shard's entries are."""
    found = entries.get(reached_key(shard))
    return found if isinstance(found, Reached) else Reached()


def fold(entries: Entries, last: Position, effects: Iterable[Rows]) -> Changes:
    """Count a range of one shard that ends at ``last``: what that changes.

    Rows behind what was reached are late ones, of events that had been parked; each is counted once too.
    """
    before = reached(entries, last.shard)
    counting = _Counting(entries, last.shard, before.minute, is_late=last.ordinal <= before.through)
    for row in (row for part in effects if part.table == TABLE for row in part.rows):
        counting.count(row)
    if counting.newest > before.minute:
        counting.expire()
    after = Reached(max(last.ordinal, before.through), counting.newest)
    if after != before:
        counting.changes[reached_key(last.shard)] = after
    return counting.changes


class _Counting:
    def __init__(self, entries: Entries, shard: int, newest: int, *, is_late: bool) -> None:
        self.changes: Changes = {}
        self.newest = newest
        self._entries = entries
        self._shard = shard
        self._is_late = is_late

    def count(self, row: tuple[Any, ...]) -> None:
        what, org_id, assistant_id, ordinal, at, *more = row
        now = int(at) // MINUTE
        self.newest = max(self.newest, now)
        match what, *more:
            case "began", call_id:
                self.changes[self._call_key(org_id, call_id)] = ActiveCall(at, assistant_id)
                self._add(org_id, now, assistant_id, ordinal, began=1)
            case "over", call_id, began:
                self.changes[self._call_key(org_id, call_id)] = None
                first = now if began is None else max(int(began) // MINUTE, now - KEPT_MINUTES)
                for minute in range(first, now + 1):
                    seconds = 0.0 if began is None else seconds_within(minute, began, at)
                    self._add(org_id, minute, assistant_id, ordinal, ended=int(minute == now), seconds=seconds)
            case "delays", delays:
                self._add(org_id, now, assistant_id, ordinal, delays=delays)

    def expire(self) -> None:
        mine = f"{self._shard}|"
        for key in [*self._entries, *self.changes]:
            if key.startswith(mine) and (minute := minute_of(key)) is not None and self._is_old(minute):
                self.changes[key] = None

    def _is_old(self, minute: int) -> bool:
        return minute < self.newest - KEPT_MINUTES

    def _add(
        self,
        org_id: str,
        minute: int,
        assistant_id: str,
        ordinal: int,
        *,
        began: int = 0,
        ended: int = 0,
        seconds: float = 0.0,
        delays: Iterable[tuple[str, str, float]] = (),
    ) -> None:
        if self._is_old(minute):
            # Whether it was removed before or comes after that must not depend on how the log was cut into ranges.
            return
        key = f"{self._shard}|{org_id}|minute|{minute}|{assistant_id}"
        found = self.changes[key] if key in self.changes else self._entries.get(key)
        known = found if isinstance(found, Minute) else Minute()
        if ordinal in known.late if self._is_late else ordinal <= known.through:
            return
        self.changes[key] = Minute(
            through=max(known.through, ordinal),
            began=known.began + began,
            ended=known.ended + ended,
            seconds=round(known.seconds + seconds, 3),
            delays=_with(known.delays, delays),
            late=(*known.late, ordinal) if self._is_late else known.late,
        )

    def _call_key(self, org_id: str, call_id: str) -> str:
        return f"{self._shard}|{org_id}|call|{call_id}"


def seconds_within(minute: int, began: float, ended: float) -> float:
    """How much of the time from ``began`` to ``ended`` lies in this minute."""
    return max(min(ended, (minute + 1) * MINUTE) - max(began, minute * MINUTE), 0.0)


def is_call(key: str) -> bool:
    """Whether an entry is about a call that runs."""
    return key.split("|", 3)[2:3] == ["call"]


def minute_of(key: str) -> int | None:
    """The number of the minute that an entry is about; ``None`` where it is about something else."""
    parts = key.split("|", 4)
    return int(parts[3]) if len(parts) > 3 and parts[2] == "minute" else None


def _with(known: Mapping[str, Delays], delays: Iterable[tuple[str, str, float]]) -> dict[str, Delays]:
    both = dict(known)
    for stage, provider, delay_ms in delays:
        name = f"{stage}|{provider}"
        both[name] = merged((both.get(name, {}), {size_of(delay_ms): 1}))
    return both

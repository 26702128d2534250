"""A long range of the log, folded piece by piece into the sink's own form.

Writing costs the engine about 10 ms of processor time a table whatever its rows, so catching up writes ranges as long
as memory allows. Encoded rows take a tenth of what events and rows take, so a range is never held as those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from domain.log.ports import EventLog, Positioned
from domain.log.position import Position
from domain.processing import EncodedRows, Rows
from streams.processing.group import ProcessorGroup

PIECE_EVENTS = 8_192
"""Events that are held at a time."""

RANGE_EVENTS = 131_072
"""Events of a range that is written at once, while there are so many. More make a catching-up row wait; and a range
that was begun before a crash is sent again as rows, which are to fit into memory."""

Encode = Callable[[Sequence[Rows]], Mapping[str, EncodedRows]]

Read = Callable[[Position, int], tuple[Sequence[Positioned], Position]]
"""The events to fold of those behind a position, of which at most so many are looked at, and the last one of these."""


class FoldedRange(msgspec.Struct, frozen=True):
    """The rows of a range, or of a share of its originators, how many events there were, and how many of them were
    passed over because they failed."""

    first: Position
    last: Position
    rows: Mapping[str, EncodedRows]
    events: int
    failed: int = 0


def reading(log: EventLog) -> Read:
    """Every event of a log is to be folded."""

    def read(after: Position, limit: int) -> tuple[Sequence[Positioned], Position]:
        events = log.read(after, limit)
        return events, events[-1].position if events else after

    return read


def fold_range(read: Read, group: ProcessorGroup, encode: Encode, after: Position, until: Position) -> FoldedRange:
    """Fold what lies between the positions, or as far as there is anything to read.

    Raises what ``encode`` raises for rows that cannot be stored; then fold the range as rows, to learn which.
    """
    parts: dict[str, list[EncodedRows]] = defaultdict(list)
    reached, folded = after, 0
    while reached < until:
        events, last = read(reached, min(PIECE_EVENTS, until.ordinal - reached.ordinal))
        if last == reached:
            break
        reached, folded = last, folded + len(events)
        for name, rows in encode(group.fold(events).rows).items():
            parts[name].append(rows)
    joined_parts = {name: joined(of_table) for name, of_table in parts.items()}
    return FoldedRange(Position(after.shard, after.ordinal + 1), reached, joined_parts, folded)


def joined(parts: Sequence[EncodedRows]) -> EncodedRows:
    """The rows of one table together. Their order within a range does not matter to a sink."""
    if len(parts) == 1:
        return parts[0]
    return EncodedRows(
        b"".join([part.data for part in parts]),
        max(part.last for part in parts),
        sum(part.count for part in parts),
    )

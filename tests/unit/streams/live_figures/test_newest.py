"""Given records of a process that was taken for dead, when they come behind those of the next, nothing changes."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from domain.log.position import Position
from domain.processing import Rows
from streams.live_figures.entries import Entry, fold
from streams.live_figures.newest import MOST_OVER, Newest
from tests.unit.streams.live_figures.test_live_figures import busy

Record = tuple[str, Entry | None]


def records(cuts: list[int]) -> list[Record]:
    """What a process publishes that counts the history in ranges which end there."""
    rows, entries, made = busy().rows(), dict[str, Entry](), list[Record]()
    for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        part: list[Rows] = [rows_ for _, of_event in rows[first:last] for rows_ in of_event]
        if first < last:
            for key, entry in fold(entries, Position(0, last), part).items():
                made.append((key, entry))
                put(entries, key, entry)
    return made


def put(entries: dict[str, Entry], key: str, entry: Entry | None) -> None:
    if entry is None:
        entries.pop(key, None)
    else:
        entries[key] = entry


def taken(published: list[Record]) -> dict[str, Entry]:
    newest, entries = Newest(), dict[str, Entry]()
    for key, entry in published:
        if newest.counts(key, entry, entries):
            put(entries, key, entry)
    return entries


@given(seed=st.integers(0, 10_000), behind=st.integers(1, 20))
def test_what_an_old_owner_publishes_late_changes_nothing(seed: int, behind: int) -> None:
    chance = random.Random(seed)
    events = len(busy().events)

    def cuts() -> list[int]:
        return sorted(chance.sample(range(1, events), chance.randint(0, 4)))

    zombie, owner = records(cuts()), records(cuts())
    late = zombie[-behind:]
    assert taken([*owner, *late]) == taken(owner)
    # Where it comes in between: each of the two in its own order.
    place = chance.randint(len(owner) // 2, len(owner))
    merged = [*zombie[: len(zombie) - len(late)], *owner[:place], *late, *owner[place:]]
    assert taken(merged) == taken(owner)


def test_what_is_remembered_of_calls_that_are_over_is_bounded() -> None:
    newest = Newest()
    for number in range(MOST_OVER + 10):
        assert newest.counts(f"0|org|call|{number}", None, {})
    assert len(newest._over) == MOST_OVER

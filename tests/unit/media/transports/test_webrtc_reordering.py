"""Packets of a network that delays, loses and repeats them, in the order they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.transports.webrtc.reordering import Lost, Packet, Reordering

HOLD = 3


def payload(number: int) -> bytes:
    return number.to_bytes(4, "big")


def played(arrivals: Iterable[int], reordering: Reordering | None = None) -> Sequence[int | None]:
    """What comes out, by the number that was sent; ``None`` for what was given up."""
    reordering = reordering or Reordering(HOLD)
    items = [item for number in arrivals for item in reordering.push(number % 65_536, payload(number))]
    return [int.from_bytes(item.payload, "big") if isinstance(item, Packet) else None for item in items]


@given(st.integers(0, 70_000), st.integers(1, 60))
def test_packets_in_order_leave_at_once(first: int, count: int) -> None:
    sent = range(first, first + count)
    reordering = Reordering(HOLD)

    for number in sent:
        assert played([number], reordering) == [number]


@given(st.integers(0, 70_000), st.lists(st.permutations(range(HOLD)), min_size=1, max_size=20))
def test_neighbours_that_swap_places_are_all_played_in_order(first: int, groups: list[list[int]]) -> None:
    arrivals = [first, *(first + 1 + HOLD * at + place for at, group in enumerate(groups) for place in group)]

    assert played(arrivals) == sorted(arrivals)


@given(st.sets(st.integers(1, 150)), st.integers(0, 70_000))
def test_what_is_lost_is_reported_once_in_its_place_and_delays_nothing_for_long(lost: set[int], first: int) -> None:
    arrivals = [first + at for at in range(201) if at not in lost]

    assert played(arrivals) == [None if at in lost else first + at for at in range(201)]


def test_a_hole_waits_for_three_later_packets_and_no_longer() -> None:
    reordering = Reordering(HOLD)

    assert played([10], reordering) == [10]
    assert played([12, 13], reordering) == []
    assert played([14], reordering) == [None, 12, 13, 14]
    assert played([15], reordering) == [15]


def test_a_lost_packet_comes_with_the_one_after_it_where_that_is_there() -> None:
    reordering = Reordering(HOLD)
    list(reordering.push(0, b"0"))
    list(reordering.push(3, b"3"))
    list(reordering.push(4, b"4"))

    assert list(reordering.push(5, b"5")) == [Lost(None), Lost(b"3"), Packet(b"3"), Packet(b"4"), Packet(b"5")]


@pytest.mark.parametrize("late", [10, 11])
def test_what_comes_twice_or_too_late_is_not_played(late: int) -> None:
    reordering = Reordering(HOLD)
    played([10, 12, 13, 14], reordering)

    assert played([late], reordering) == []
    assert reordering.late == 1


@pytest.mark.parametrize("jump", [5_000, 40_000])
def test_a_sender_that_begins_anew_is_followed(jump: int) -> None:
    reordering = Reordering(HOLD)
    played([10, 11], reordering)

    assert played([jump, jump + 1], reordering) == [jump, jump + 1]

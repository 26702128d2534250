"""Batches of fragments on their way to a sink: what a sink refuses, and what is tried again too late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from domain.fragments import Fragment, FragmentBatch, PlacedBatch
from domain.log.position import Position
from domain.processing import Effect, Rows, RowsRejected
from streams.processing.dead_letters import BEHIND, DeadLetters
from streams.processing.feeding import FragmentFollower
from streams.processing.fragments import GONE, FragmentCarrier, FragmentPipeline


@dataclass(frozen=True)
class Numbers:
    """One row a batch: its call and its number."""

    name: str = "numbers"
    version: int = 1

    def apply(self, partition: int, placed: PlacedBatch) -> Iterable[Effect]:
        return (Rows("numbers", ((placed.batch.call_id, placed.number),)),)


@dataclass
class Picky:
    """A sink that never takes the batches with these numbers."""

    refused: set[int] = field(default_factory=set)
    blames: int | None = None
    rows: list[tuple[str, int]] = field(default_factory=list)

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        made = [row for part in rows for row in part.rows]
        if bad := [number for _, number in made if number in self.refused]:
            raise RowsRejected({Position(0, self.blames or number): "too odd" for number in bad})
        self.rows += made

    def resume_from(self, shard: int) -> Position:
        return Position(shard, 0)

    def planned_end(self, shard: int) -> Position | None:
        return None


class Feed:
    """The batches of one partition, of which some may have expired."""

    partitions = (0,)

    def __init__(self, *batches: PlacedBatch) -> None:
        self.batches = list(batches)

    def after(self, partition: int, number: int, limit: int) -> Sequence[PlacedBatch]:
        return [placed for placed in self.batches if placed.number > number][:limit]

    def end(self, partition: int) -> int:
        return self.batches[-1].number


def placed(number: int, call_id: str) -> PlacedBatch:
    batch = FragmentBatch(
        call_id=call_id,
        source="media-1",
        org_id="org",
        started_at=datetime(2026, 11, 21, 9, tzinfo=UTC),
        fragments=(Fragment(seq=number, type="mark.t0", at_ms=1.0),),
    )
    return PlacedBatch(number, batch)


BATCHES = (placed(2, "a"), placed(3, "b"), placed(5, "a"), placed(6, "b"))


@pytest.fixture
def letters() -> Iterator[DeadLetters]:
    with closing(DeadLetters(":memory:")) as opened:
        yield opened


def carrier(sink: Picky, letters: DeadLetters, feed: Feed | None = None) -> FragmentCarrier:
    return FragmentCarrier(FragmentPipeline("numbers", (Numbers(),), sink), feed or Feed(*BATCHES), letters)


def test_what_a_sink_never_takes_is_parked_with_what_follows_it_of_its_call(letters: DeadLetters) -> None:
    sink = Picky({2})
    carrier(sink, letters).carry(0, BATCHES)
    assert sink.rows == [("b", 3), ("b", 6)]
    assert [(letter.position.ordinal, letter.reason) for letter in letters.list()] == [(2, "too odd"), (5, BEHIND)]


def test_a_sink_that_blames_nothing_it_was_given_is_not_asked_for_ever(letters: DeadLetters) -> None:
    with pytest.raises(RowsRejected, match="too odd"):
        carrier(Picky({2}, blames=99), letters).carry(0, BATCHES)
    assert letters.list() == []


def test_batches_that_have_expired_can_only_be_dropped(letters: DeadLetters) -> None:
    sink = Picky({2})
    carrier(sink, letters).carry(0, BATCHES)
    sink.refused.clear()
    later = carrier(sink, letters, Feed(*BATCHES[1:]))
    assert later.retry("numbers", "a") == 0
    first, second = letters.list()
    assert (first.reason, first.attempt, second.attempt) == (GONE, 2, 1)
    letters.drop("numbers", first.position)
    assert later.retry("numbers", "a") == 1
    assert letters.list() == []
    assert sink.rows[-1] == ("a", 5)


def test_what_was_dropped_is_passed_over_when_it_comes_again(letters: DeadLetters) -> None:
    sink = Picky({2})
    carrier(sink, letters).carry(0, BATCHES[:1])
    letters.drop("numbers", Position(0, 2))
    sink.refused.clear()
    carrier(sink, letters).carry(0, BATCHES)
    assert sink.rows == [("b", 3), ("a", 5), ("b", 6)]


@dataclass
class Slow(Picky):
    """A sink that says when it is asked to write, and does so once it may."""

    asked: threading.Event = field(default_factory=threading.Event)
    may: threading.Event = field(default_factory=threading.Event)

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        self.asked.set()
        assert self.may.wait(60)
        super().write(first, last, rows)


async def test_a_retry_whose_asker_has_gone_ends_nothing(letters: DeadLetters) -> None:
    sink, feed = Slow({2}), Feed(*BATCHES)
    clock = datetime(2026, 11, 21, 9, tzinfo=UTC)
    pipeline = FragmentPipeline("numbers", (Numbers(),), sink, pause_seconds=0.01)
    follower = FragmentFollower(feed, pipeline, letters, clock=lambda: clock)
    follower.start()
    try:
        assert await asyncio.to_thread(sink.asked.wait, 60)
        gone = asyncio.ensure_future(follower.retry("numbers", "a"))
        # It begins, and asks a thread that is busy writing.
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        sink.may.set()
        assert await asyncio.to_thread(follower.reached, 0, 6, 60)
        feed.batches.append(placed(9, "b"))
        assert await asyncio.to_thread(follower.reached, 0, 9, 60)
        assert follower.failure is None
        assert [letter.attempt for letter in letters.list()] == [1, 1]
    finally:
        sink.may.set()
        await asyncio.to_thread(follower.stop)

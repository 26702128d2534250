"""The index of a call's fragments: it finds every record, in few ranges, and forgets with its topic."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.media_log.ranges import NEAR_OFFSETS, OffsetRange, RangeIndex, Seen

Open = Callable[..., RangeIndex]


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as opened:
        yield lambda topic_id="topic-1": opened.enter_context(closing(RangeIndex(tmp_path / "media.db", topic_id)))


def seen(call_id: str, offset: int, *, dropped: int = 0, source: str = "media-1") -> Seen:
    return Seen(call_id, source, offset + 1, dropped, offset)


def test_near_records_share_a_range_and_far_ones_do_not(opening: Open) -> None:
    index = opening()
    far = 10 + NEAR_OFFSETS + 1
    index.add(3, [seen("a", 4), seen("b", 5), seen("a", 10)], 11)
    index.add(3, [seen("a", far), seen("a", far + NEAR_OFFSETS)], far + NEAR_OFFSETS + 1)
    assert index.find("a") == [OffsetRange(3, 4, 10), OffsetRange(3, far, far + NEAR_OFFSETS)]
    assert index.find("b") == [OffsetRange(3, 5, 5)]
    assert index.find("c") == []


def test_a_position_is_kept_with_what_led_to_it(opening: Open) -> None:
    index = opening()
    index.add(0, [seen("a", 0)], 1)
    index.add(1, [], 7)
    index.close()
    again = opening()
    assert again.positions() == {0: 1, 1: 7}
    assert again.find("a") == [OffsetRange(0, 0, 0)]


def test_a_disk_that_was_full_leaves_the_index_as_it_was_and_usable(opening: Open) -> None:
    index = opening()
    index.add(0, [seen("a", 0)], 1)
    many = [seen(f"call-{number}", number) for number in range(1, 5_000)]
    ((pages,),) = index._connection.execute("PRAGMA page_count").fetchall()
    index._connection.execute(f"PRAGMA max_page_count={pages}")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            index.add(0, many, 5_000)
    assert index.positions() == {0: 1}
    index._connection.execute("PRAGMA max_page_count=100000")
    index.add(0, many, 5_000)
    assert (index.positions(), index.find("call-7")) == ({0: 5_000}, [OffsetRange(0, 7, 7)])


def test_an_index_of_another_topic_is_forgotten(opening: Open) -> None:
    index = opening("topic-1")
    index.add(0, [seen("a", 0, dropped=2)], 1)
    index.close()
    again = opening("topic-2")
    assert again.positions() == {}
    assert again.find("a") == []
    assert again.dropped("a") == 0


def test_what_was_shed_counts_once_per_batch(opening: Open) -> None:
    index = opening()
    index.add(0, [seen("a", 0, dropped=2), seen("a", 1, dropped=3), seen("b", 2, dropped=9)], 3)
    index.add(0, [Seen("a", "media-1", 1, 2, 3)], 4)
    assert index.dropped("a") == 5


def test_what_expired_is_forgotten(opening: Open) -> None:
    index = opening()
    index.add(0, [seen("a", 0, dropped=1), seen("b", 100, dropped=1)], 101)
    index.add(1, [seen("a", 0)], 1)
    index.forget_before({0: 50, 1: 0})
    assert index.find("a") == [OffsetRange(1, 0, 0)]
    index.forget_before({0: 50, 1: 1})
    assert index.find("a") == []
    assert (index.dropped("a"), index.dropped("b")) == (0, 1)


def test_a_partition_that_changed_starts_anew(opening: Open) -> None:
    index = opening()
    index.add(0, [seen("a", 0)], 1)
    index.add(1, [seen("a", 0)], 1)
    index.restart(0)
    assert index.positions() == {1: 1}
    assert index.find("a") == [OffsetRange(1, 0, 0)]


Offsets = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 90)), max_size=40)


@settings(max_examples=40)
@given(steps=Offsets, batches=st.integers(1, 5))
def test_every_record_lies_in_a_range_of_its_call(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], batches: int
) -> None:
    offset, records = -1, []
    for call_id, gap in steps:
        offset += gap
        records.append(seen(call_id, offset))
    with closing(RangeIndex(tmp_path_factory.mktemp("ranges") / "media.db", "t")) as index:
        size = max(1, len(records) // batches)
        for start in range(0, len(records), size):
            part = records[start : start + size]
            index.add(0, part, part[-1].offset + 1)
        for call_id in "abc":
            ranges = index.find(call_id)
            of_call = [record.offset for record in records if record.call_id == call_id]
            assert all(any(span.first <= number <= span.last for span in ranges) for number in of_call)
            assert all(span.first in of_call and span.last in of_call for span in ranges)
            assert all(after.first - before.last > NEAR_OFFSETS for before, after in itertools.pairwise(ranges))

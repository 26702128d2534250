"""Fetched bytes taken apart by compiled code come to what kafka-python itself makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from streams.kafka.record_batches import _CompiledRecords

PLACE = TopicPartition("callfold.log", 3)
RECORDS = [
    (b"call", b"[{}]", [("v", b"1"), ("commit", b"one")]),
    (None, None, []),
    (b"", b"x" * 5_000, [("näme", None), ("v", b"")]),
]
ZSTD = 4


def batch(first_offset: int, codec: int = ZSTD) -> bytes:
    builder = MemoryRecordsBuilder(2, codec, 1 << 20, offset=first_offset)
    for number, (key, value, headers) in enumerate(RECORDS):
        assert builder.append(1_000 + number, key, value, headers) is not None
    builder.close()
    return bytes(builder.buffer())


def taken(kind: Any, content: bytes, *, after: int = 0, at_most: int | None = None) -> tuple[list[Any], int]:
    """What a reader gives of one answer of a broker, and where it would fetch next."""
    records = kind(after, PLACE, MemoryRecords(content))
    found = [
        (one.partition, one.leader_epoch, one.offset, one.timestamp, one.key, one.value, list(one.headers))
        for one in records.take(at_most)
    ]
    return found, records.next_fetch_offset


@pytest.mark.parametrize("codec", [0, ZSTD])
@pytest.mark.parametrize(("after", "at_most"), [(0, None), (4, None), (0, 2), (2, 3), (6, None)])
def test_both_readers_give_the_same(codec: int, after: int, at_most: int | None) -> None:
    content = batch(0, codec) + batch(3, codec)
    ours = taken(_CompiledRecords, content, after=after, at_most=at_most)
    assert ours == taken(Fetcher.PartitionRecords, content, after=after, at_most=at_most)
    assert len(ours[0]) == (max(6 - after, 0) if at_most is None else at_most)


def test_a_batch_that_was_changed_on_its_way_is_refused_behind_what_came_before_it() -> None:
    changed = bytearray(batch(0) + batch(3))
    changed[-5] ^= 1
    records = _CompiledRecords(0, PLACE, MemoryRecords(bytes(changed)))
    assert [record.offset for record in records.take()] == [0, 1, 2]
    with pytest.raises(CorruptRecordError, match="does not have its sum"):
        records.take()


def test_a_batch_of_an_old_format_is_refused() -> None:
    builder = MemoryRecordsBuilder(1, 0, 1 << 16)
    builder.append(1_000, b"k", b"v", [])
    builder.close()
    with pytest.raises(CorruptRecordError):
        _CompiledRecords(0, PLACE, MemoryRecords(bytes(builder.buffer()))).take()

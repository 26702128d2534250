"""The index of fragments follows its topic through a disk that is full for a while."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.fragments import Fragment, FragmentBatch
from domain.log.ports import LogUnavailable
from streams.kafka.clients import Fetched
from streams.kafka.location import KafkaLocation
from streams.kafka.record_batches import FetchedRecord
from streams.media_log import following
from streams.media_log.envelope import to_records
from streams.media_log.following import MediaFollower
from streams.media_log.ranges import OffsetRange, RangeIndex, Seen
from tests.contracts.log_contract import START

LOCATION = KafkaLocation(("nowhere:9092",))


def record(offset: int) -> Fetched:
    fragment = Fragment(seq=offset, type="mark.t0", at_ms=1.0)
    batch = FragmentBatch(call_id="a", source="s", org_id="org", started_at=START, fragments=(fragment,))
    (made,) = to_records(batch, 10_000)
    headers: list[tuple[str, bytes | None]] = [*made.headers]
    return FetchedRecord(0, 0, offset, 0, b"a", made.value, headers)


class Partition:
    """A consumer of one partition that holds two records."""

    def __init__(self) -> None:
        self._at = 0

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> Mapping[Any, Sequence[Fetched]]:
        found, self._at = [record(offset) for offset in range(self._at, 2)], 2
        return {self._place: found}

    def assign(self, partitions: Sequence[Any]) -> None:
        (self._place,) = partitions

    def seek(self, partition: Any, offset: int) -> None:
        self._at = offset

    def position(self, partition: Any) -> int:
        return self._at

    def beginning_offsets(self, partitions: Sequence[Any], timeout_ms: int | None = None) -> Mapping[Any, int]:
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions: Sequence[Any], timeout_ms: int | None = None) -> Mapping[Any, int]:
        return dict.fromkeys(partitions, 2)

    def close(self) -> None: ...


class FullIndex(RangeIndex):
    """Takes nothing until there is room, and says when it has."""

    def __init__(self, path: Path) -> None:
        self.has_room, self.taken = threading.Event(), threading.Event()
        super().__init__(path, "topic-1")

    def add(self, partition: int, seen: Sequence[Seen], next_offset: int) -> None:
        if not self.has_room.is_set():
            raise sqlite3.OperationalError("database or disk is full")
        super().add(partition, seen, next_offset)
        self.taken.set()


def test_reading_goes_on_when_the_disk_has_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "consumer", lambda *_, **__: Partition())
    monkeypatch.setattr(following, "_INDEX_RETRY_SECONDS", 0.01)
    with (
        closing(FullIndex(tmp_path / "media.db")) as index,
        closing(MediaFollower(LOCATION, [0], index, fetch_wait_ms=1)) as follower,
    ):
        with pytest.raises(LogUnavailable, match="free space"):
            follower.wait_for({0: 2}, 60)
        index.has_room.set()
        assert index.taken.wait(60)
        follower.wait_for({0: 2}, 60)
        assert index.find("a") == [OffsetRange(0, 0, 1)]

"""Fetching ranges of offsets with consumers that are kept open between reads."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, Full, LifoQueue

from kafka.errors import CorruptRecordError, KafkaError, OffsetOutOfRangeError

from domain.log.ports import LogUnavailable
from streams.kafka.clients import PATIENCE_MS, Consumer, Fetched, consumer, partition
from streams.kafka.location import KafkaLocation
from streams.media_log.ranges import OffsetRange

FETCH_OVER = 1000
"""Records of other calls worth fetching along instead of starting another fetch."""

_KEPT_OPEN = 4


class RangeFetcher:
    """Thread-safe: each read has a consumer of its own while it lasts."""

    def __init__(self, location: KafkaLocation, fetch_wait_ms: int) -> None:
        self._location = location
        self._fetch_wait_ms = fetch_wait_ms
        self._idle: LifoQueue[Consumer] = LifoQueue(_KEPT_OPEN)

    def ends(self, partitions: Sequence[int]) -> dict[int, int]:
        """The offset after the last record of each partition, now. Raises ``LogUnavailable``."""
        with self._consumer() as opened:
            found = opened.end_offsets([partition(self._location, "media", number) for number in partitions])
            return {topic_partition.partition: end for topic_partition, end in found.items()}

    def fetch(self, ranges: Sequence[OffsetRange]) -> Iterator[Fetched]:
        """All records in these ranges that the topic still holds, in order. Raises ``LogUnavailable``."""
        with self._consumer() as opened:
            for wanted in _joined(ranges):
                yield from self._range(opened, wanted)

    def close(self) -> None:
        """Close the consumers that nobody uses."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _range(self, opened: Consumer, wanted: OffsetRange) -> Iterator[Fetched]:
        place = partition(self._location, "media", wanted.partition)
        opened.assign([place])
        opened.seek(place, wanted.first)
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while (position := opened.position(place)) <= wanted.last:
            try:
                records = opened.poll(timeout_ms=self._fetch_wait_ms).get(place, ())
            except OffsetOutOfRangeError:
                # It expired since the index was asked; what is left begins further on.
                beginning = opened.beginning_offsets([place])[place]
                if beginning <= position:
                    raise
                opened.seek(place, beginning)
                continue
            except CorruptRecordError:
                # A stranger's, which the follower has passed over too.
                opened.seek(place, position + 1)
                continue
            yield from (record for record in records if record.offset <= wanted.last)
            if opened.position(place) > position:
                deadline = time.monotonic() + PATIENCE_MS / 1000
            elif time.monotonic() > deadline:
                raise LogUnavailable(
                    f"{self._location.topic('media')} partition {wanted.partition} offset {position} "
                    "does not come; try again later"
                )

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        try:
            opened = self._idle.get_nowait()
        except Empty:
            opened = consumer(self._location, fetch_wait_ms=self._fetch_wait_ms)
        try:
            yield opened
        except KafkaError as problem:
            opened.close()
            raise LogUnavailable(f"Kafka does not answer: {problem}") from problem
        except BaseException:
            opened.close()
            raise
        try:
            self._idle.put_nowait(opened)
        except Full:
            opened.close()


def _joined(ranges: Sequence[OffsetRange]) -> Iterator[OffsetRange]:
    """Neighbouring ranges as one; they come sorted."""
    current: OffsetRange | None = None
    for following in ranges:
        if (
            current is not None
            and current.partition == following.partition
            and following.first - current.last <= FETCH_OVER
        ):
            current = OffsetRange(current.partition, current.first, max(current.last, following.last))
            continue
        if current is not None:
            yield current
        current = following
    if current is not None:
        yield current

"""Reading ``callfold.media`` from end to end, for the index alone: who reads a call's fragments fetches only those."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from kafka.errors import CorruptRecordError, KafkaError, OffsetOutOfRangeError

from domain.log.ports import LogUnavailable
from streams.kafka.clients import PATIENCE_MS, Consumer, Fetched, consumer, partition
from streams.kafka.location import KafkaLocation
from streams.kafka.records import to_record
from streams.kafka.unfit import UnfitCluster
from streams.media_log.envelope import UnreadableBatch, read_heading
from streams.media_log.ranges import RangeIndex, Seen

POLL_MS = 200
"""How long one poll waits, and so how long closing may take."""

PRUNE_SECONDS = 3600.0
"""How often what the topic no longer holds is dropped from the index."""

_RETRY_SECONDS = 1.0
_INDEX_RETRY_SECONDS = 5.0
"""Before the index is written to again that took nothing, as on a full disk."""
_log = logging.getLogger(__name__)


class MediaFollower:
    """A thread that keeps the index in step with the topic. ``wait_for`` is how others wait for it."""

    def __init__(self, location: KafkaLocation, partitions: Sequence[int], index: RangeIndex, fetch_wait_ms: int):
        self._location = location
        self._index = index
        self._fetch_wait_ms = fetch_wait_ms
        self._partitions = {number: partition(location, "media", number) for number in partitions}
        self._positions = index.positions()
        self._moved = threading.Condition()
        self._closing = threading.Event()
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name="media-follower", daemon=True)
        self._thread.start()

    def wait_for(self, ends: Mapping[int, int], timeout_s: float) -> None:
        """Return once everything before these offsets is in the index. Raises ``LogUnavailable``."""
        deadline = time.monotonic() + timeout_s
        with self._moved:
            while (behind := self._behind(ends)) and not self._failure:
                left = deadline - time.monotonic()
                if left <= 0 or self._closing.is_set():
                    raise LogUnavailable(
                        f"the index of fragments is {behind} records behind the topic; try again later"
                    )
                self._moved.wait(left)
            if self._failure:
                raise LogUnavailable(self._failure)

    def close(self) -> None:
        """Stop after the poll under way."""
        self._closing.set()
        with self._moved:
            self._moved.notify_all()
        self._thread.join()

    def _behind(self, ends: Mapping[int, int]) -> int:
        return sum(max(0, end - self._positions.get(number, 0)) for number, end in ends.items())

    def _run(self) -> None:
        stuck = False
        while not self._closing.is_set():
            try:
                if stuck:
                    self._step_over()
                    stuck = False
                with closing(consumer(self._location, fetch_wait_ms=self._fetch_wait_ms)) as opened:
                    self._follow(opened)
            except CorruptRecordError:
                stuck = True
            except OffsetOutOfRangeError as expired:
                _log.warning("media.offsets_expired", extra={"reason": str(expired)})
            except (KafkaError, UnfitCluster) as problem:
                _log.warning("media.follower_disconnected", extra={"reason": str(problem)})
                self._closing.wait(_RETRY_SECONDS)
            except sqlite3.Error as problem:
                _log.error("media.index_failed", extra={"reason": str(problem)})
                self._fail(
                    f"the index of fragments cannot be written: {problem}; free space, or stop this process and delete "
                    "the index's file: it is made again from the topic"
                )
                self._closing.wait(_INDEX_RETRY_SECONDS)

    def _fail(self, sentence: str) -> None:
        with self._moved:
            self._failure = sentence
            self._moved.notify_all()

    def _follow(self, opened: Consumer) -> None:
        self._begin(opened)
        pruned = time.monotonic()
        while not self._closing.is_set():
            batches = opened.poll(timeout_ms=POLL_MS)
            for number, topic_partition in self._partitions.items():
                self._take_in(number, batches.get(topic_partition, ()), opened.position(topic_partition))
            if time.monotonic() - pruned > PRUNE_SECONDS:
                self._index.forget_before(self._offsets(opened.beginning_offsets(list(self._partitions.values()))))
                pruned = time.monotonic()

    def _step_over(self) -> None:
        """Pass over what the client cannot take apart however often it is fetched: a record with a header whose name is
        not UTF-8, say, and whatever came in one batch with it. None of ours is there: a batch has one producer."""
        with closing(consumer(self._location, fetch_wait_ms=self._fetch_wait_ms)) as asking:
            ends = self._offsets(asking.end_offsets(list(self._partitions.values())))
        for number, topic_partition in self._partitions.items():
            begin = position = self._positions.get(number, 0)
            while (
                position < ends[number]
                and not self._closing.is_set()
                and self._is_unreadable(topic_partition, position)
            ):
                position += 1
            if position > begin:
                _log.warning(
                    "media.record_skipped",
                    extra={
                        "partition": number,
                        "offset": begin,
                        "reason": f"{position - begin} records are unreadable",
                    },
                )
                self._index.add(number, (), position)
                self._move(number, position)

    def _is_unreadable(self, topic_partition: Any, position: int) -> bool:
        """Asked of a consumer of its own: one that has met such a record is of no further use."""
        with closing(consumer(self._location, fetch_wait_ms=self._fetch_wait_ms)) as asking:
            asking.assign([topic_partition])
            asking.seek(topic_partition, position)
            try:
                asking.poll(timeout_ms=PATIENCE_MS, max_records=1)
            except CorruptRecordError:
                return True
        return False

    def _begin(self, opened: Consumer) -> None:
        """Go on where the index stands; from the first record where that is gone or was never there."""
        every = list(self._partitions.values())
        beginnings = self._offsets(opened.beginning_offsets(every))
        ends = self._offsets(opened.end_offsets(every))
        self._index.forget_before(beginnings)
        opened.assign(every)
        for number, topic_partition in self._partitions.items():
            position = self._positions.get(number, 0)
            if position > ends[number]:
                _log.warning("media.topic_shorter", extra={"partition": number, "was": position, "is": ends[number]})
                self._index.restart(number)
                position = 0
            position = max(position, beginnings[number])
            opened.seek(topic_partition, position)
            self._move(number, position)

    def _take_in(self, number: int, fetched: Sequence[Fetched], position: int) -> None:
        if position == self._positions[number]:
            return
        seen = [found for record in fetched if (found := self._seen(record)) is not None]
        self._index.add(number, seen, position)
        self._move(number, position)

    def _seen(self, fetched: Fetched) -> Seen | None:
        try:
            heading = read_heading(to_record(fetched).headers)
        except UnreadableBatch as problem:
            _log.warning(
                "media.record_skipped",
                extra={"partition": fetched.partition, "offset": fetched.offset, "reason": str(problem)},
            )
            return None
        return Seen(heading.call_id, heading.source, heading.first_seq, heading.dropped, fetched.offset)

    def _move(self, number: int, position: int) -> None:
        with self._moved:
            self._failure = ""
            self._positions[number] = position
            self._moved.notify_all()

    @staticmethod
    def _offsets(found: Mapping[Any, int]) -> dict[int, int]:
        return {topic_partition.partition: offset for topic_partition, offset in found.items()}

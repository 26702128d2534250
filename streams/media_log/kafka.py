"""``callfold.media`` on Kafka: one record per batch, one partition per call, found again through a local index."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

from kafka.errors import KafkaError

from domain.fragments import Fragment, FragmentBatch, PlacedBatch
from domain.log.envelope import Record
from domain.log.ports import LogUnavailable, OutcomeUnknown
from streams.kafka.clients import FETCH_WAIT_MS, MAX_RECORD_BYTES, Fetched, Sent, consumer, producer
from streams.kafka.location import KafkaLocation
from streams.kafka.records import to_record
from streams.kafka.renewal import RenewedProducer
from streams.kafka.unfit import UnfitCluster
from streams.media_log.envelope import UnreadableBatch, read_batch, read_heading, to_records
from streams.media_log.fetching import RangeFetcher
from streams.media_log.following import MediaFollower
from streams.media_log.ranges import OffsetRange, RangeIndex
from streams.media_log.reading import in_order

DELIVERY_MS = 10_000
"""How long ``append`` tries; the buffer before it goes on taking in, so giving up early loses nothing."""

PATIENCE_SECONDS = 2 * DELIVERY_MS / 1000
"""How long a record may be without any outcome: the client has then lost track of it."""

LINGER_MS = 5
"""Calls flush at the same time; what arrives within this shares a request."""

WINDOW = 500
"""Records under way at once, so that a backlog does not fill the producer's memory a second time."""

READ_SECONDS = 10.0
"""How long a read waits for the index to reach the topic's end."""

_log = logging.getLogger(__name__)
_OVERHEAD_BYTES = 1024
"""What Kafka adds to a record, with room to spare."""


class KafkaFragmentLog:
    """Implements ``FragmentLog`` and ``FragmentFeed``. Thread-safe. The identity of a fragment is (call, source, seq):
    of one that was sent twice the first is read, so a batch may be sent again after an unknown outcome.

    A read sees everything that was durable when it began, whichever node wrote it.
    """

    def __init__(
        self,
        location: KafkaLocation,
        partitions: Sequence[int],
        sender: RenewedProducer,
        index: RangeIndex,
        fetch_wait_ms: int,
    ) -> None:
        self._topic = location.topic("media")
        self._partitions = tuple(sorted(partitions))
        self._producer = sender
        self._index = index
        self._follower = MediaFollower(location, self._partitions, index, fetch_wait_ms)
        self._fetcher = RangeFetcher(location, fetch_wait_ms)
        self._closed = False

    @classmethod
    def open(
        cls, location: KafkaLocation, index: Path, *, topic_id: str, fetch_wait_ms: int = FETCH_WAIT_MS
    ) -> KafkaFragmentLog:
        """Open with the file ``index``, made when missing, of this node alone. Raises ``LogUnavailable``.

        ``topic_id`` is what ``prepare`` reported: an index of another topic is made anew.
        """
        with ExitStack() as undo:
            try:
                index.parent.mkdir(parents=True, exist_ok=True)
                index.touch(mode=0o600)
                ranges = RangeIndex(index, topic_id)
            except (sqlite3.Error, OSError) as problem:
                raise LogUnavailable(
                    f"the index of fragments {index} cannot be opened: {problem}; "
                    "it can be deleted, and is then made again from the topic"
                ) from problem
            undo.callback(ranges.close)
            partitions = _partitions(location)
            sender = RenewedProducer(
                lambda: producer(location, linger_ms=LINGER_MS, delivery_ms=DELIVERY_MS),
                patience_s=PATIENCE_SECONDS,
            )
            opened = cls(location, partitions, sender, ranges, fetch_wait_ms)
            undo.pop_all()
            return opened

    def append(self, batches: Sequence[FragmentBatch]) -> None:
        """Durable in order when it returns. Blocking: call it from a flusher thread.

        Raises ``LogUnavailable`` when nothing was sent, ``OutcomeUnknown`` when some of it may be on the log (send the
        same again), ``FragmentTooLarge``. A batch without fragments leaves no trace.
        """
        if self._closed:
            raise LogUnavailable("the fragment log is closed")
        outgoing = [
            (batch.call_id, record)
            for batch in batches
            for record in to_records(batch, MAX_RECORD_BYTES - _OVERHEAD_BYTES)
        ]
        for start in range(0, len(outgoing), WINDOW):
            self._deliver(outgoing[start : start + WINDOW], first=start == 0)

    def read(self, call_id: str, *, source: str | None = None, types: Iterable[str] = ()) -> list[Fragment]:
        """Fragments of one call in order of time, duplicates removed; a source's own order is never changed.

        Raises ``LogUnavailable``.
        """
        self._catch_up()
        wanted = frozenset(types)
        found: dict[tuple[str, int], Fragment] = {}
        for batch in self._batches(call_id):
            if source is None or batch.source == source:
                for fragment in batch.fragments:
                    found.setdefault((batch.source, fragment.seq), fragment)
        return in_order(
            (of, found[of, seq]) for of, seq in sorted(found) if not wanted or found[of, seq].type in wanted
        )

    def dropped(self, call_id: str) -> int:
        """How many fragments of a call were shed before they reached the log. Raises ``LogUnavailable``."""
        self._catch_up()
        return self._index.dropped(call_id)

    @property
    def partitions(self) -> Sequence[int]:
        """See ``FragmentFeed``."""
        return self._partitions

    def after(self, partition: int, number: int, limit: int) -> Sequence[PlacedBatch]:
        """See ``FragmentFeed.after``: a batch's number is one more than its record's offset."""
        placed: list[PlacedBatch] = []
        while not placed and (last := min(number + limit, self.end(partition)) - 1) >= number:
            for fetched in self._fetcher.fetch([OffsetRange(partition, number, last)]):
                try:
                    placed.append(PlacedBatch(fetched.offset + 1, read_batch(to_record(fetched).value)))
                except UnreadableBatch as problem:
                    _skipped(fetched, problem)
            number = last + 1
        return placed

    def end(self, partition: int) -> int:
        """See ``FragmentFeed.end``. Raises ``LogUnavailable``."""
        return self._fetcher.ends([partition])[partition]

    def close(self) -> None:
        """Stop following and close every connection. What ``append`` has not acknowledged may be lost."""
        if self._closed:
            return
        self._closed = True
        self._producer.close()
        self._follower.close()
        self._fetcher.close()
        self._index.close()

    def _deliver(self, outgoing: Sequence[tuple[str, Record]], *, first: bool) -> None:
        sent: list[Sent] = []
        try:
            for call_id, record in outgoing:
                sent.append(
                    self._producer.send(
                        self._topic,
                        value=record.value,
                        key=call_id.encode(),
                        headers=list(record.headers),
                        partition=self._partition(call_id),
                    )
                )
        except (KafkaError, UnfitCluster) as problem:
            if first and not sent:
                raise LogUnavailable(f"Kafka takes no fragments: {problem}") from problem
            raise _unknown(problem) from problem
        failure: KafkaError | None = None
        until = time.monotonic() + PATIENCE_SECONDS
        for future in sent:
            try:
                future.get(timeout=max(until - time.monotonic(), 0.0))
            except KafkaError as problem:
                failure = failure or problem
        if failure is not None:
            self._producer.renew()
            raise _unknown(failure) from failure

    def _partition(self, call_id: str) -> int:
        """The same for a call as long as this log is open; readers look everywhere, so it may change with the topic."""
        digest = blake2b(call_id.encode(), digest_size=8).digest()
        return self._partitions[int.from_bytes(digest) % len(self._partitions)]

    def _catch_up(self) -> None:
        if self._closed:
            raise LogUnavailable("the fragment log is closed")
        self._follower.wait_for(self._fetcher.ends(self._partitions), READ_SECONDS)

    def _batches(self, call_id: str) -> Iterator[FragmentBatch]:
        for fetched in self._fetcher.fetch(self._index.find(call_id)):
            record = to_record(fetched)
            try:
                if read_heading(record.headers).call_id == call_id:
                    yield read_batch(record.value)
            except UnreadableBatch as problem:
                _skipped(fetched, problem)


def _partitions(location: KafkaLocation) -> Sequence[int]:
    asking = consumer(location)
    try:
        found = asking.partitions_for_topic(location.topic("media"))
    except KafkaError as problem:
        raise LogUnavailable(f"Kafka does not answer: {problem}") from problem
    finally:
        asking.close()
    if not found:
        raise UnfitCluster(f"topic {location.topic('media')} is missing; start callfold once with the right to make it")
    return sorted(found)


def _skipped(fetched: Fetched, problem: UnreadableBatch) -> None:
    _log.warning(
        "media.record_skipped",
        extra={"partition": fetched.partition, "offset": fetched.offset, "reason": str(problem)},
    )


def _unknown(problem: Exception) -> OutcomeUnknown:
    return OutcomeUnknown(f"Kafka did not acknowledge all fragments ({problem}); send the same batches again")

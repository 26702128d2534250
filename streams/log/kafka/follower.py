"""Reading a partition into its replica: caught up before the log is opened, then on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from kafka.errors import (
    CorruptRecordError,
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
)

from domain.log.chain import record_hash
from domain.log.ports import LogUnavailable
from streams.kafka.clients import PATIENCE_MS, Consumer, Fetched, consumer, partition
from streams.kafka.connecting import unreachable
from streams.kafka.location import KafkaLocation
from streams.kafka.records import to_record
from streams.log.kafka.applying import PlacedRecord, ReadRecord
from streams.log.kafka.halt import (
    Halted,
    changed_record,
    expired,
    missing_topic,
    shorter_log,
    truncated,
    unreadable_record,
)
from streams.log.kafka.reading_ahead import LEAST_RECORDS, ReadingAhead
from streams.log.kafka.replica import Replica

SLICE = 200
"""Records applied at once while this process has other work: a few milliseconds, then everybody gets a turn."""

CATCH_UP_SLICE = 10_000
"""Records applied at once before the log is opened, when there is no other work: each page is written less often."""

BREATH_SECONDS = 0.001
"""Between slices."""

ADOPTION_SECONDS = 0.1
"""How long a record of this node's own is left to the writer that is about to adopt it."""

REST_SECONDS = 0.02
"""Before the next look at the log when the last one brought nothing but what this node had written itself."""

POLL_MS = 100
"""How soon the thread notices that it is to end."""

RETRY_SECONDS = 1.0
"""Before reading goes on after the broker or the disk failed."""

SILENCE_SECONDS = 60.0
"""How long a broker may give nothing while the log is known to go on, before the start is given up."""

CHECK_SECONDS = 15.0
"""How long a broker may take to hand out the last applied record again."""

LOOK_SECONDS = 5.0
"""How often to look whether the topic is there: a client of a deleted one hears nothing, and goes on asking."""

MISSING_SECONDS = 30.0
"""How long the brokers may not know the topic. One that has just started may not know any for a moment."""

_GONE = (OffsetOutOfRangeError, NoOffsetForPartitionError)
_log = logging.getLogger(__name__)


class Follower:
    """Reads one partition in order. Whatever it cannot read on from halts the replica; nothing is ever skipped."""

    def __init__(self, location: KafkaLocation, replica: Replica, *, fetch_wait_ms: int) -> None:
        """Raises ``UnfitCluster`` where no broker answers."""
        self._location = location
        self._replica = replica
        self._partition = partition(location, "log", replica.shard)
        self._consumer: Consumer = consumer(location, fetch_wait_ms=fetch_wait_ms)
        self._leader_epoch = -1
        self._unsure = False
        """Where the consumer stands, or whether the log is still the one that was read, has to be checked first."""
        self._hole_before = -1
        self._corrupt_at = -1
        self._looked_at = self._seen_at = time.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"log-follower-{replica.shard}", daemon=True)

    def catch_up(self) -> None:
        """Check that the log still holds what the replica has, and apply what was written until now.

        Raises ``Halted`` where it does not, ``LogUnavailable`` where broker or disk fail.
        """
        try:
            self._consumer.assign([self._partition])
            # Somebody may be about to lead the partition; whoever starts has the time to wait for it.
            end = self._check(PATIENCE_MS)
            begun = time.monotonic()
            self._read_ahead(end)
            moved = time.monotonic()
            waiting: list[PlacedRecord] = []
            while self._consumer.position(self._partition) < end:
                fetched = self._poll(1_000)
                waiting += _placed(fetched)
                if len(waiting) >= CATCH_UP_SLICE:
                    self._replica.apply(waiting)
                    waiting = []
                if fetched:
                    moved = time.monotonic()
                elif time.monotonic() - moved > SILENCE_SECONDS:
                    raise LogUnavailable(
                        f"no broker hands out {self._location.topic('log')} from offset "
                        f"{self._replica.tail.next_offset} on; check the leader of partition {self._replica.shard}"
                    )
            self._replica.apply(waiting)
            _log.info(
                "log.caught_up",
                extra={
                    "shard": self._replica.shard,
                    "offset": end,
                    "seconds": round(time.monotonic() - begun, 3),
                },
            )
        except _GONE as problem:
            self._check()
            raise unreachable(self._location, problem) from problem
        except CorruptRecordError as problem:
            raise unreadable_record(self._replica.shard, self._replica.tail.next_offset, problem) from problem
        except KafkaError as problem:
            raise unreachable(self._location, problem) from problem

    def _read_ahead(self, end: int) -> None:
        """Leave the reading of a long stretch to another process, as far as it comes."""
        begin = self._replica.tail.next_offset
        if end - begin < LEAST_RECORDS:
            return
        waiting: list[ReadRecord] = []
        with ReadingAhead(self._location, self._replica.shard, begin, end) as batches:
            for batch in batches:
                waiting += batch
                if len(waiting) >= CATCH_UP_SLICE:
                    self._replica.apply_read(waiting)
                    waiting = []
        self._replica.apply_read(waiting)
        self._consumer.seek(self._partition, self._replica.tail.next_offset)

    def start(self) -> None:
        """Go on reading in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._closing.is_set() and self._replica.halted is None:
            try:
                self._follow()
            except Halted as halt:
                self._replica.halt(halt)
            except CorruptRecordError as problem:
                stuck, self._corrupt_at = self._corrupt_at, self._replica.tail.next_offset
                if stuck == self._corrupt_at:  # what a network does to a record is another time undone
                    self._replica.halt(unreadable_record(self._replica.shard, stuck, problem))
                self._unsure = True
            except (KafkaError, LogUnavailable) as problem:
                self._unsure = True
                _log.warning("log.not_read", extra={"shard": self._replica.shard, "reason": str(problem)})
                self._closing.wait(RETRY_SECONDS)
            except Exception as problem:
                self._replica.halt(unreadable_record(self._replica.shard, self._replica.tail.next_offset, problem))

    def _follow(self) -> None:
        """Apply what one poll brings. Raises ``Halted``, ``KafkaError``, ``LogUnavailable``."""
        self._look_for_topic()
        if self._unsure:
            self._check()
            self._unsure = False
        try:
            fetched = self._poll(POLL_MS)
        except _GONE:
            self._unsure = True
            return
        if not fetched:
            return
        self._seen_at = time.monotonic()
        if self._has_new_leader(fetched):
            self._unsure = True
            return
        self._compare(fetched[-1])
        fresh = self._fresh(fetched)
        if not fresh:
            # This node alone writes, and knows its own records: reading each of them back at once only costs.
            self._replica.rest(REST_SECONDS)
        elif self._is_beyond(fresh[0].offset):
            self._unsure = True
        else:
            for begin in range(0, len(fresh), SLICE):
                if begin:
                    self._closing.wait(BREATH_SECONDS)
                self._replica.apply(_placed(fresh[begin : begin + SLICE]))

    def _look_for_topic(self) -> None:
        """Raises ``Halted`` where the brokers have not known the topic for long, ``KafkaError`` where none answers."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        asked_after, self._looked_at = now - self._looked_at, now
        topic = self._location.topic("log")
        try:
            known = bool(self._consumer.partitions_for_topic(topic))
        except UnknownTopicOrPartitionError:
            known = False
        if known or asked_after > MISSING_SECONDS:  # this process slept: what it remembers says nothing
            self._seen_at = now
        elif now - self._seen_at > MISSING_SECONDS:
            raise missing_topic(self._replica.shard, topic, str(self._replica.path))

    def _is_beyond(self, offset: int) -> bool:
        """Whether records may have been missed before ``offset``. Read twice, it is a hole that every reader finds:
        offsets that Kafka gave to marks of its own."""
        if offset <= self._replica.tail.next_offset or offset == self._hole_before:
            return False
        self._hole_before = offset
        return True

    def _fresh(self, fetched: Sequence[Fetched]) -> Sequence[Fetched]:
        """The records that are not applied yet, after this node's writer had time to adopt those that are its own."""
        fresh = _after(fetched, self._replica.tail.next_offset)
        if not fresh:
            return fresh
        commit_id = dict(fresh[0].headers).get("commit") or b""
        self._replica.leave_to_writer(fresh[0].offset, commit_id.decode(errors="replace"), ADOPTION_SECONDS)
        return _after(fresh, self._replica.tail.next_offset)

    def _poll(self, timeout_ms: int) -> Sequence[Fetched]:
        try:
            return self._consumer.poll(timeout_ms=timeout_ms).get(self._partition, ())
        except LogTruncationError as problem:
            raise truncated(self._replica.shard, problem, str(self._replica.path)) from problem

    def _has_new_leader(self, fetched: Sequence[Fetched]) -> bool:
        """Whether these records come from another leader than those before; the log may have been cut in between."""
        before, self._leader_epoch = self._leader_epoch, fetched[-1].leader_epoch
        return before not in (-1, fetched[0].leader_epoch)

    def _compare(self, newest: Fetched) -> None:
        """A record that was applied on its acknowledgement must be what is now read. Raises ``Halted``."""
        tail = self._replica.tail
        if newest.offset == tail.next_offset - 1 and record_hash(to_record(newest)) != tail.record_hash:
            raise changed_record(self._replica.shard, newest.offset, str(self._replica.path))

    def _check(self, patience_ms: int | None = None) -> int:
        """Find the last applied record in the log, byte for byte, and read on behind it; the log's end.

        Raises ``Halted`` where the log has lost or changed what was applied, or no longer reaches back to it.
        """
        replica = self._replica
        tail, shard, name = replica.tail, replica.shard, str(replica.path)
        begin = self._consumer.beginning_offsets([self._partition], patience_ms)[self._partition]
        end = self._consumer.end_offsets([self._partition], patience_ms)[self._partition]
        if tail.next_offset > end:
            raise shorter_log(shard, tail.next_offset, end, name)
        if tail.next_offset < begin:
            raise expired(shard, tail.next_offset, begin, name)
        if tail.next_offset > begin:
            last = self._record_at(tail.next_offset - 1)
            if last is None or record_hash(to_record(last)) != tail.record_hash:
                raise changed_record(shard, tail.next_offset - 1, name)
        self._consumer.seek(self._partition, tail.next_offset)
        return end

    def _record_at(self, offset: int) -> Fetched | None:
        self._consumer.seek(self._partition, offset)
        deadline = time.monotonic() + CHECK_SECONDS
        while time.monotonic() < deadline:
            found = self._consumer.poll(timeout_ms=POLL_MS, max_records=1).get(self._partition, ())
            if found:
                return found[0] if found[0].offset == offset else None
        raise LogUnavailable(
            f"no broker hands out the record at offset {offset} of {self._location.topic('log')}; "
            "check the partition's leader and try again"
        )


def _placed(fetched: Sequence[Fetched]) -> list[PlacedRecord]:
    return [PlacedRecord(record.offset, to_record(record)) for record in fetched]


def _after(fetched: Sequence[Fetched], offset: int) -> Sequence[Fetched]:
    if not fetched or fetched[0].offset >= offset:
        return fetched
    return [record for record in fetched if record.offset >= offset]

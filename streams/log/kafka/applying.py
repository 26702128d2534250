"""Judging a partition's records in their order: what each leaves in the replica, whatever came in one batch with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence, Set
from typing import Any

import msgspec

from domain.log.chain import GENESIS, link, record_hash
from domain.log.commit import Commit
from domain.log.envelope import MalformedRecord, Record, to_commit, to_record
from domain.log.receipt import Receipt
from streams.kafka.identity import LogIdentity
from streams.log.append import AppendTransaction, Tail, encode_record

_KNOWN = "SELECT column1 FROM (VALUES {}) WHERE column1 IN (SELECT commit_id FROM commits)"

_HEADS = """
SELECT column1, (SELECT max(originator_version) FROM stored_events WHERE originator_id=column1) FROM (VALUES {})"""

_PARAMETERS = 2_000
"""Values per statement; SQLite takes 32,766."""


class ReplicaTail(msgspec.Struct, frozen=True):
    """How far a replica has read its partition. ``record_hash`` is of the last record, empty before the first."""

    next_offset: int = 0
    next_ordinal: int = 1
    chain: bytes = GENESIS
    record_hash: bytes = b""


class PlacedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of the partition with its offset."""

    offset: int
    record: Record


class ReadRecord(msgspec.Struct, frozen=True, gc=False):
    """A record with its hash and what it says; a record that breaks its form has a ``fault`` and no commit.

    ``record`` may be left out where it is what ``to_record`` makes of the commit.
    """

    offset: int
    record: Record | None
    hashed: bytes
    commit: Commit | None
    fault: str = ""

    def in_short(self) -> ReadRecord:
        """Without the record where it can be left out: most of what would have to be carried elsewhere."""
        if self.commit is None or to_record(self.commit) != self.record:
            return self
        return ReadRecord(self.offset, None, self.hashed, self.commit)

    def content(self) -> bytes:
        """The record as it is kept where it left no events."""
        if self.record is None and self.commit is not None:
            return encode_record(to_record(self.commit))
        return encode_record(self.record)


def read(placed: PlacedRecord) -> ReadRecord:
    """Read the envelope. Raises ``UnknownEnvelopeVersion``: nothing of a newer writer may be guessed at."""
    record = placed.record
    hashed = record_hash(record)
    try:
        return ReadRecord(placed.offset, record, hashed, to_commit(record))
    except MalformedRecord as malformed:
        return ReadRecord(placed.offset, record, hashed, None, str(malformed))


class ReplicaTransaction(AppendTransaction):
    """Collects what records leave in the replica. Every reader of the partition collects the same."""

    def __init__(self, connection: sqlite3.Connection, shard: int, tail: ReplicaTail) -> None:
        super().__init__(connection, shard, Tail(tail.next_offset, tail.next_ordinal, tail.chain))
        self._record_hash = tail.record_hash
        self._others: list[tuple[object, ...]] = []

    @property
    def tail(self) -> ReplicaTail:
        """Where the replica stands once this is written."""
        return ReplicaTail(self._sequence, self._next_ordinal, self._chain, self._record_hash)

    def load_heads(self, originator_ids: Set[str]) -> None:
        """Look up many heads at once. What is not looked up so is when it is needed; the outcome is equal."""
        wanted = originator_ids - self._asked_heads
        for originator_id, head in self._asked(_HEADS, list(wanted)):
            if head is not None:
                self._arbiter.heads[originator_id] = head
        self._asked_heads |= wanted

    def held(self, commit_ids: Set[str]) -> set[str]:
        """Those of these ids that the replica holds a verdict for."""
        return {commit_id for (commit_id,) in self._asked(_KNOWN, list(commit_ids))}

    def apply_all(self, records: Sequence[ReadRecord]) -> list[Commit]:
        """Take records in their order, one by one; the commits that are accepted."""
        accepted: list[Commit] = []
        for read in records:
            receipt = self.apply(read)
            if read.commit is not None and receipt is not None and receipt.verdict.accepted:
                accepted.append(read.commit)
        return accepted

    def apply(self, read: ReadRecord) -> Receipt | None:
        """Take the record at its offset; the verdict of a commit that is new, else ``None``."""
        self._sequence = read.offset
        if read.commit is None:
            self._set_aside(read, "poison", None, read.fault, read.content())
            return None
        known = self.known(read.commit.commit_id)
        if known is None:
            return self.take(read.commit, read.record, read.hashed)
        self.repeat(read, read.commit.commit_id, known.record_hash)
        return None

    def repeat(self, read: ReadRecord, commit_id: str, first_hash: bytes) -> None:
        """Take a record whose commit id has its verdict already, from a record with ``first_hash``."""
        self._sequence = read.offset
        if first_hash == read.hashed:
            self._set_aside(read, "duplicate", commit_id, "sent again", None)
        else:
            self._set_aside(read, "duplicate", commit_id, "another commit under a used id", read.content())

    def take(self, commit: Commit, record: Record | None, hashed: bytes) -> Receipt:
        """Judge a commit whose id is new, as the next record."""
        self._record_hash = hashed
        return self._settle(commit, record, hashed)

    def write_with(self, identity: LogIdentity) -> None:
        """Write everything collected, and the position behind it, inside one transaction."""
        self.write()
        if self._others:
            self._connection.executemany("INSERT INTO other_records VALUES (?,?,?,?,?,?,?)", self._others)
        write_position(self._connection, self._shard, self.tail, identity)

    def _asked(self, statement: str, values: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement over many values. Bound one by one: an id may hold any character."""
        for begin in range(0, len(values), _PARAMETERS):
            some = values[begin : begin + _PARAMETERS]
            yield from self._connection.execute(statement.format(",".join(["(?)"] * len(some))), some)

    def _set_aside(
        self, read: ReadRecord, kind: str, commit_id: str | None, reason: str, content: bytes | None
    ) -> None:
        self._sequence += 1
        self._chain = link(self._chain, read.hashed)
        self._record_hash = read.hashed
        self._others.append((self._sequence, kind, commit_id, reason, content, read.hashed, self._chain))


def write_position(connection: sqlite3.Connection, shard: int, tail: ReplicaTail, identity: LogIdentity) -> None:
    """Store how far the replica has read."""
    connection.execute(
        "INSERT OR REPLACE INTO replica_position VALUES (?,?,?,?,?,?,?)",
        (
            shard,
            tail.next_offset,
            tail.next_ordinal,
            tail.chain,
            tail.record_hash,
            identity.cluster_id,
            identity.topic_id,
        ),
    )

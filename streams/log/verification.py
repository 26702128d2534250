"""Checking a log against itself: every record is judged and chained again, as a new reader of it would."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from domain.log.arbitration import Arbiter
from domain.log.chain import GENESIS, link, record_hash
from domain.log.commit import Commit, Slot
from domain.log.envelope import MalformedRecord, to_commit, to_record, type_of
from streams.log.append import decode_record

_CHANGED = "its content differs from what was hashed when it was appended"

_ROWS = """
SELECT sequence, commit_id, v, void_reason, first_ordinal, events, tracking_name, tracking_position, void_record,
    record_hash, chain, '' FROM commits"""

_OTHER_ROWS = """
UNION ALL SELECT sequence, coalesce(commit_id, ''), 0, NULL, 0, 0, NULL, NULL, record, record_hash, chain, kind
    FROM other_records"""


class BrokenRecord(msgspec.Struct, frozen=True):
    """The first record that is not what was appended. ``ordinal`` is that of its first event."""

    sequence: int
    commit_id: str
    ordinal: int
    reason: str


class Verification(msgspec.Struct, frozen=True):
    """``records`` and ``events`` that hold, the chain's last good value, and where it breaks, if it does.

    ``pruned`` counts records whose bodies were given up to an archive: their hashes are taken as they stand. A log
    that was cut at its end verifies: compare ``records`` and ``chain`` with a checkpoint kept elsewhere.
    """

    records: int
    events: int
    chain: str
    broken: BrokenRecord | None = None
    pruned: int = 0


def verify(connection: sqlite3.Connection, on_record: Callable[[], object] = lambda: None) -> Verification:
    """Recompute verdicts, ordinals and the chain from the first record on; ``on_record`` is told of each."""
    connection.execute("BEGIN")
    try:
        return _verified(connection, on_record)
    finally:
        connection.execute("ROLLBACK")


def _verified(connection: sqlite3.Connection, on_record: Callable[[], object]) -> Verification:
    reader = _Reader(connection)
    others = connection.execute("SELECT 1 FROM sqlite_master WHERE name='other_records'").fetchone() is not None
    for row in connection.execute((_ROWS + _OTHER_ROWS if others else _ROWS) + " ORDER BY sequence"):
        reason = reader.fault_in(_Row(*row))
        if reason:
            return reader.result(BrokenRecord(row[0], row[1], row[4], reason))
        on_record()
    surplus = next(reader.events, None)
    if surplus is not None:
        return reader.result(BrokenRecord(reader.records + 1, "", surplus[0], "an event belongs to no commit"))
    return reader.result(None)


class _Row(msgspec.Struct):
    """A row of ``commits``, or of a replica's ``other_records`` (``kind`` says of which sort)."""

    sequence: int
    commit_id: str
    v: int
    void_reason: str | None
    first_ordinal: int
    events: int
    tracking_name: str | None
    tracking_position: int | None
    void_record: bytes | None
    record_hash: bytes
    chain: bytes
    kind: str


class _Reader:
    """A new reader of the log: it starts with nothing and believes only what it recomputes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._pruned = _pruned(connection)
        self.pruned = 0
        self.events: Iterator[tuple[int, str, int, str, bytes]] = iter(
            connection.cursor().execute(
                "SELECT ordinal, originator_id, originator_version, topic, state FROM stored_events ORDER BY ordinal"
            )
        )
        self.arbiter = Arbiter()
        self.records = 0
        self.next_ordinal = 1
        self.chain = GENESIS

    def result(self, broken: BrokenRecord | None) -> Verification:
        return Verification(self.records, self.next_ordinal - 1, self.chain.hex(), broken, self.pruned)

    def fault_in(self, row: _Row) -> str:
        """What is wrong with the next record; empty when it holds, and then it counts."""
        if row.sequence != self.records + 1:
            return f"record {self.records + 1} is missing"
        reason = self._fault_in_other(row) if row.kind else self._fault_in_commit(row)
        if reason:
            return reason
        linked = link(self.chain, row.record_hash)
        if linked != row.chain:
            return "its link does not follow from the link before it"
        self.records, self.next_ordinal, self.chain = row.sequence, self.next_ordinal + row.events, linked
        return ""

    def _fault_in_commit(self, row: _Row) -> str:
        if row.first_ordinal != self.next_ordinal:
            return f"its first ordinal is {row.first_ordinal}, not {self.next_ordinal}"
        try:
            commit = (
                self._accepted(row) if row.void_reason is None else to_commit(decode_record(row.void_record or b""))
            )
        except MalformedRecord as problem:
            return str(problem)
        except msgspec.MsgspecError as problem:
            return f"its void record cannot be read: {problem}"
        if any(
            not body and slot.originator_id in self._pruned
            for slot, body in zip(commit.slots, commit.bodies, strict=True)
        ):
            self.pruned += 1
        elif record_hash(to_record(commit)) != row.record_hash:
            return _CHANGED
        if self.arbiter.settle(commit).accepted != (row.void_reason is None):
            return "its verdict differs from what its place in the log gives"
        return ""

    def _fault_in_other(self, row: _Row) -> str:
        """A record that changed nothing: poison, or one that repeats a commit id."""
        if row.void_record is not None:
            try:
                return _CHANGED if record_hash(decode_record(row.void_record)) != row.record_hash else ""
            except msgspec.MsgspecError as problem:
                return f"its record cannot be read: {problem}"
        first = self._connection.execute(
            "SELECT record_hash FROM commits WHERE commit_id=? AND sequence<?", (row.commit_id, row.sequence)
        ).fetchone()
        return "" if first is not None and first[0] == row.record_hash else _CHANGED

    def _accepted(self, row: _Row) -> Commit:
        """The record as its events tell it. Raises ``MalformedRecord`` when they are not the next ones."""
        events = list(islice(self.events, row.events))
        if [ordinal for ordinal, *_ in events] != list(range(self.next_ordinal, self.next_ordinal + row.events)):
            raise MalformedRecord("its events are not the next ones in the log")
        for *_, topic, body in events:
            if not isinstance(body, bytes):
                raise MalformedRecord("an event's body is not stored as bytes")
            if type_of(body) not in ("", topic):
                raise MalformedRecord(f"an event is filed as {topic} but names another type")
        tracking = None
        if row.tracking_name is not None and row.tracking_position is not None:
            tracking = (row.tracking_name, row.tracking_position)
        return Commit(
            commit_id=row.commit_id,
            slots=tuple(Slot(originator_id, version) for _, originator_id, version, _, _ in events),
            topics=tuple(topic for *_, topic, _ in events),
            bodies=tuple(body for *_, body in events),
            tracking=tracking,
            v=row.v,
        )


def _pruned(connection: sqlite3.Connection) -> set[str]:
    """Originators whose bodies were given up. Older files know of no such thing."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name='pruned'").fetchone() is None:
        return set()
    return {originator_id for (originator_id,) in connection.execute("SELECT originator_id FROM pruned")}

"""The end of the log inside one write transaction: judge commits, give them ordinals, chain them, write them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from domain.log.arbitration import ACCEPTED, Arbiter, UnknownEnvelopeVersion, Verdict, judge
from domain.log.chain import GENESIS, link, record_hash
from domain.log.commit import ENVELOPE_VERSION, Commit, Slot
from domain.log.envelope import Record, to_record
from domain.log.receipt import CommitIdReused, Receipt

EMBEDDED_SHARD = 0
"""The embedded log is a single shard."""

_INSERT_EVENT = "INSERT INTO stored_events VALUES (?,?,?,?,?)"
_INSERT_ACCEPTED = "INSERT INTO commits VALUES (?,?,?,NULL,?,?,NULL,NULL,NULL,?,?)"
_INSERT_COMMIT = "INSERT INTO commits VALUES (?,?,?,?,?,?,?,?,?,?,?)"

encode_record = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(Record).decode


class Tail(msgspec.Struct, frozen=True):
    """Where the log ends: the number of its last record, the next event's ordinal, and the chain's last value."""

    sequence: int = 0
    next_ordinal: int = 1
    chain: bytes = GENESIS


def tail_of(connection: sqlite3.Connection) -> Tail:
    """The end of an embedded log. Raises ``UnknownEnvelopeVersion`` where a newer writer has appended to it."""
    row = connection.execute(
        "SELECT v, sequence, first_ordinal + events, chain FROM commits ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return Tail()
    version, *place = row
    if version != ENVELOPE_VERSION:
        raise UnknownEnvelopeVersion(version)
    return Tail(*place)


class Settled(msgspec.Struct, frozen=True, gc=False):
    """A commit that the log already holds a verdict for."""

    receipt: Receipt
    record_hash: bytes
    slots: tuple[Slot, ...]
    """What it took; empty when it is void."""


def settled(connection: sqlite3.Connection, commit_id: str, shard: int = EMBEDDED_SHARD) -> Settled | None:
    """What the log holds under this commit id."""
    row = connection.execute(
        "SELECT void_reason, first_ordinal, events, record_hash FROM commits WHERE commit_id=?", (commit_id,)
    ).fetchone()
    if row is None:
        return None
    void_reason, first, events, hashed = row
    verdict = ACCEPTED if void_reason is None else Verdict(False, void_reason)
    taken = connection.execute(
        "SELECT originator_id, originator_version FROM stored_events WHERE ordinal>=? AND ordinal<? ORDER BY ordinal",
        (first, first + events),
    )
    return Settled(_receipt(shard, commit_id, verdict, first, events), hashed, tuple(Slot(*slot) for slot in taken))


class AppendTransaction:
    """Collects the commits of one SQLite write transaction; ``write`` puts them on the log.

    The transaction must hold the write lock before this object is made, since everything judged here is read once.
    """

    def __init__(self, connection: sqlite3.Connection, shard: int = EMBEDDED_SHARD, tail: Tail | None = None) -> None:
        """``tail`` is where the log ends; it is looked up when not given. Raises ``UnknownEnvelopeVersion``."""
        self._connection = connection
        self._shard = shard
        tail = tail or tail_of(connection)
        self._sequence = tail.sequence
        self._next_ordinal = tail.next_ordinal
        self._chain = tail.chain
        self._arbiter = Arbiter()
        self._asked_heads: set[str] = set()
        self._asked_tracking: set[str] = set()
        self._settled: dict[str, Settled | None] = {}
        # Python's sqlite3 looks for an adapter for each ``bytes`` and ``None``, but for no ``bytearray``: as these, and
        # with the nulls in the statement, rows of an ordinary commit are written in two thirds of the time.
        self._events: list[tuple[int, str, int, str, bytearray]] = []
        self._accepted: list[tuple[int, str, int, int, int, bytearray, bytearray]] = []
        self._commits: list[tuple[object, ...]] = []
        self._tracking: dict[str, int] = {}

    @property
    def head(self) -> int:
        """The ordinal of the newest event, commits collected so far included."""
        return self._next_ordinal - 1

    def next_version(self, originator_id: str) -> int:
        """The version that the originator's next event has to claim, commits collected so far included."""
        self._load_head(originator_id)
        return self._arbiter.next_version(originator_id)

    def known(self, commit_id: str) -> Settled | None:
        """What the log, or this transaction, already holds under this id."""
        if commit_id not in self._settled:
            self._settled[commit_id] = settled(self._connection, commit_id, self._shard)
        return self._settled[commit_id]

    def preview(self, commit: Commit) -> Verdict:
        """The verdict that ``append`` would give to a commit with a new id. Changes nothing."""
        self._load(commit)
        return judge(commit.slots, commit.tracking, self._arbiter.heads, self._arbiter.tracked)

    def append(self, commit: Commit) -> Receipt:
        """Judge a commit and collect its rows.

        A commit id seen before gives the receipt of its first instance. Raises ``CommitIdReused`` when that was
        another commit, ``MalformedRecord`` and ``UnknownEnvelopeVersion``.
        """
        record = to_record(commit)
        hashed = record_hash(record)
        known = self.known(commit.commit_id)
        if known is not None:
            if known.record_hash != hashed:
                raise CommitIdReused(commit.commit_id)
            return known.receipt
        return self._settle(commit, record, hashed)

    def write(self) -> None:
        """Put everything collected on the log, inside the transaction."""
        execute = self._connection.executemany
        if self._events:
            execute(_INSERT_EVENT, self._events)
        if self._accepted:
            execute(_INSERT_ACCEPTED, self._accepted)
        if self._commits:
            execute(_INSERT_COMMIT, self._commits)
        if self._tracking:
            execute("INSERT OR REPLACE INTO tracking VALUES (?,?)", self._tracking.items())

    def _settle(self, commit: Commit, record: Record | None, hashed: bytes) -> Receipt:
        """Judge a commit whose id is new and collect its rows. No record is needed where ``to_record`` makes it."""
        self._load(commit)
        verdict = self._arbiter.settle(commit)
        events = len(commit.slots) if verdict.accepted else 0
        receipt = _receipt(self._shard, commit.commit_id, verdict, self._next_ordinal, events)
        self._settled[commit.commit_id] = Settled(receipt, hashed, commit.slots if verdict.accepted else ())
        self._collect(commit, record, hashed, receipt)
        return receipt

    def _collect(self, commit: Commit, record: Record | None, hashed: bytes, receipt: Receipt) -> None:
        self._sequence += 1
        self._chain = link(self._chain, hashed)
        first, events = self._next_ordinal, len(receipt.ordinals)
        if receipt.verdict.accepted and commit.tracking is None:
            hashes = bytearray(hashed), bytearray(self._chain)
            self._accepted.append((self._sequence, commit.commit_id, commit.v, first, events, *hashes))
        else:
            self._collect_fully(commit, record, hashed, receipt)
        if not receipt.verdict.accepted:
            return
        for slot, topic, body in zip(commit.slots, commit.topics, commit.bodies, strict=True):
            self._events.append((self._next_ordinal, slot.originator_id, slot.version, topic, bytearray(body)))
            self._next_ordinal += 1
        if commit.tracking is not None:
            self._tracking[commit.tracking[0]] = commit.tracking[1]

    def _collect_fully(self, commit: Commit, record: Record | None, hashed: bytes, receipt: Receipt) -> None:
        """The row of a commit that is void or tracks a position."""
        accepted = receipt.verdict.accepted
        name, position = commit.tracking or (None, None)
        self._commits.append(
            (
                self._sequence,
                commit.commit_id,
                commit.v,
                None if accepted else receipt.verdict.reason,
                self._next_ordinal,
                len(receipt.ordinals),
                name,
                position,
                None if accepted else encode_record(record or to_record(commit)),
                hashed,
                self._chain,
            )
        )

    def _load(self, commit: Commit) -> None:
        for slot in commit.slots:
            self._load_head(slot.originator_id)
        if commit.tracking is not None and commit.tracking[0] not in self._asked_tracking:
            application = commit.tracking[0]
            self._asked_tracking.add(application)
            row = self._connection.execute(
                "SELECT notification_id FROM tracking WHERE application_name=?", (application,)
            ).fetchone()
            if row is not None:
                self._arbiter.tracked[application] = row[0]

    def _load_head(self, originator_id: str) -> None:
        if originator_id in self._asked_heads:
            return
        self._asked_heads.add(originator_id)
        head = self._connection.execute(
            "SELECT max(originator_version) FROM stored_events WHERE originator_id=?", (originator_id,)
        ).fetchone()[0]
        if head is not None:
            self._arbiter.heads[originator_id] = head


def _receipt(shard: int, commit_id: str, verdict: Verdict, first_ordinal: int, events: int) -> Receipt:
    ordinals = range(first_ordinal, first_ordinal + events)
    return Receipt(commit_id=commit_id, verdict=verdict, shard=shard, ordinals=ordinals)


def append_all(connection: sqlite3.Connection, commits: Sequence[Commit]) -> list[Receipt]:
    """Append commits inside a write transaction that the caller holds, each judged on its own."""
    transaction = AppendTransaction(connection)
    receipts = [transaction.append(commit) for commit in commits]
    transaction.write()
    return receipts

"""Reading a partition of the log again, as a stranger would, and holding it against a replica and signed checkpoints.

The chain is made anew from the records alone. Where it differs from what a replica applied, the first difference is
named for what was done: changed, removed, inserted, moved, cut off.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from domain.log.arbitration import Arbiter, UnknownEnvelopeVersion
from domain.log.chain import GENESIS, link, record_hash
from domain.log.checkpoint import Checkpoint, Fault, Finding, held_against
from domain.log.commit import Commit
from domain.log.envelope import MalformedRecord, Record, to_commit
from streams.log.heads import chain_at, chain_head

Placed = tuple[int, Record]
"""A record with its offset."""

_ROWS = """
SELECT sequence, record_hash, CASE WHEN void_reason IS NULL THEN 'accepted' ELSE 'void' END, first_ordinal
  FROM commits WHERE sequence > ?
UNION ALL
SELECT sequence, record_hash, kind, 0 FROM other_records WHERE sequence > ?
ORDER BY sequence"""

_OF_HASH = """
SELECT sequence FROM commits WHERE record_hash=? UNION ALL SELECT sequence FROM other_records WHERE record_hash=?"""

_EVENTS = """
SELECT originator_id, originator_version, state FROM stored_events WHERE ordinal>=? AND ordinal<? ORDER BY ordinal"""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What a reading of one shard found. ``records`` counts as offsets do; ``findings`` is empty when all holds."""

    shard: int
    begin: int
    records: int
    events: int
    chain: str
    checkpoints: int
    findings: tuple[Finding, ...]


class _Row(msgspec.Struct, frozen=True):
    """What the replica says of one record."""

    sequence: int
    record_hash: bytes
    kind: str
    first_ordinal: int

    @property
    def offset(self) -> int:
        return self.sequence - 1


def audit(
    records: Iterable[Placed],
    *,
    shard: int,
    begin: int,
    end: int,
    log: str,
    replica: sqlite3.Connection | None,
    checkpoints: Sequence[Checkpoint],
    on_record: Callable[[], object] = lambda: None,
) -> Audit:
    """Read ``records`` (offset ``begin`` to before ``end``) once. ``checkpoints`` are genuine ones of this shard.

    A log whose beginning has expired is chained on from what the replica or a checkpoint says of that place.
    """
    anchor = _anchor(begin, replica, checkpoints)
    reading = _Reading(begin, anchor or GENESIS, {checkpoint.records for checkpoint in checkpoints})
    against = _AgainstReplica(replica, shard, begin, end) if replica is not None else None
    findings: list[Finding] = []
    for offset, record in records:
        gap = reading.gap_before(offset)
        if gap and against is None and not findings:
            findings.append(Finding("removed", shard, _span(gap), f"{_span(gap)} is missing from the log"))
        read = reading.take(offset, record)
        if against is not None:
            against.compare(read)
        on_record()
    reading.finish(end)
    if reading.newer:
        findings.append(Finding("unverifiable", shard, reading.newer_at, reading.newer))
    if against is not None:
        findings += against.findings()
    if anchor is None:
        findings.append(
            Finding(
                "unverifiable",
                shard,
                f"offset {begin}",
                f"the log begins at offset {begin}, and neither a replica nor a checkpoint tells the chain there",
            )
        )
    else:
        findings += held_against(
            [checkpoint for checkpoint in checkpoints if checkpoint.records >= begin],
            shard=shard,
            log=log,
            end=end,
            chain_at=reading.chains.get,
        )
    return Audit(
        shard=shard,
        begin=begin,
        records=end,
        events=reading.events,
        chain=reading.chain.hex(),
        checkpoints=len(checkpoints),
        findings=tuple(findings),
    )


def _anchor(begin: int, replica: sqlite3.Connection | None, checkpoints: Sequence[Checkpoint]) -> bytes | None:
    """The chain before the first record that the log still has."""
    if begin == 0:
        return GENESIS
    for checkpoint in checkpoints:
        if checkpoint.records == begin:
            return bytes.fromhex(checkpoint.chain)
    known = chain_at(replica, begin) if replica is not None else None
    return bytes.fromhex(known) if known is not None else None


class _Read(msgspec.Struct, frozen=True):
    offset: int
    hashed: bytes
    kind: str
    commit: Commit | None


class _Reading:
    """The log read from its records alone: chain, verdicts, and the chain where checkpoints were made."""

    def __init__(self, begin: int, chain: bytes, wanted: set[int]) -> None:
        self.chain = chain
        self.chains: dict[int, str] = {}
        self.events = 0
        self.newer = ""
        self.newer_at = ""
        self._wanted = sorted(wanted, reverse=True)
        self._next = begin
        # Verdicts need every record from the first on.
        self._arbiter = Arbiter() if begin == 0 else None

    def gap_before(self, offset: int) -> range:
        return range(self._next, offset)

    def take(self, offset: int, record: Record) -> _Read:
        self._note_chains(offset)
        hashed = record_hash(record)
        self.chain = link(self.chain, hashed)
        self._next = offset + 1
        self._note_chains(self._next)
        kind, commit = self._judged(offset, record)
        if kind == "accepted" and commit is not None:
            self.events += len(commit.slots)
        return _Read(offset, hashed, kind, commit)

    def finish(self, end: int) -> None:
        self._note_chains(end)

    def _note_chains(self, upto: int) -> None:
        while self._wanted and self._wanted[-1] <= upto:
            self.chains[self._wanted.pop()] = self.chain.hex()

    def _judged(self, offset: int, record: Record) -> tuple[str, Commit | None]:
        """Empty where it cannot be told."""
        try:
            commit = to_commit(record)
        except MalformedRecord:
            return "poison", None
        except UnknownEnvelopeVersion as newer:
            self.newer, self.newer_at = self.newer or str(newer), self.newer_at or f"offset {offset}"
            self._arbiter = None
            return "", None
        if self._arbiter is None:
            return "", commit
        if commit.commit_id in self._arbiter.verdicts:
            return "duplicate", commit
        return ("accepted" if self._arbiter.settle(commit).accepted else "void"), commit


class _AgainstReplica:
    """Finds the first record that differs from what the replica applied, and what was done to it."""

    def __init__(self, replica: sqlite3.Connection, shard: int, begin: int, end: int) -> None:
        self._replica = replica
        self._shard = shard
        self._end = end
        self._position = chain_head(replica, shard).records
        self._pruned = {row[0] for row in replica.execute("SELECT originator_id FROM pruned")}
        self._rows = (_Row(*row) for row in replica.execute(_ROWS, (begin, begin)))
        self._row = next(self._rows, None)
        self._expected: _Row | None = None
        self._found: _Read | None = None
        self._seen_later: int | None = None
        self._wrong_rows: list[Finding] = []

    def compare(self, read: _Read) -> None:
        if self._found is not None or self._expected is not None:
            if self._expected is not None and self._seen_later is None and read.hashed == self._expected.record_hash:
                self._seen_later = read.offset
            return
        if read.offset >= self._position:
            return
        row = self._row
        if row is None or row.offset != read.offset or row.record_hash != read.hashed:
            self._expected, self._found = row, read
            return
        self._row = next(self._rows, None)
        if not self._wrong_rows:
            self._wrong_rows += self._row_faults(row, read)

    def findings(self) -> Iterator[Finding]:
        if self._expected is not None or self._found is not None:
            yield self._difference()
        elif self._position > self._end:
            place = _span(range(self._end, self._position))
            yield self._finding(
                "cut", place, f"the replica has applied {self._position} records, and the log ends after {self._end}"
            )
        elif self._row is not None:
            place = f"offset {self._row.offset}"
            yield self._finding("removed", place, f"the record at {place} is gone from the log's end")
        yield from self._wrong_rows

    def _difference(self) -> Finding:
        expected, found = self._expected, self._found
        assert found is not None, "a difference is between two"
        if expected is None:
            place = f"offset {found.offset}"
            return self._finding("replica", place, f"the replica lacks the record at {place}, and counts it as applied")
        place = f"offset {min(expected.offset, found.offset)}"
        known = [row[0] for row in self._replica.execute(_OF_HASH, (found.hashed, found.hashed))]
        moved_up = any(sequence > expected.sequence for sequence in known)
        gone = f"the record that the replica applied at offset {expected.offset}"
        if self._seen_later is not None and moved_up:
            return self._finding(
                "reordered", place, f"{gone} now stands at offset {self._seen_later}: the order was changed"
            )
        if self._seen_later is not None:
            return self._finding(
                "inserted", place, f"a record stands at offset {found.offset} that the replica never saw"
            )
        if moved_up or found.offset > expected.offset:
            return self._finding("removed", place, f"{gone} is gone from the log")
        return self._finding("changed", place, f"{gone} has another content now")

    def _row_faults(self, row: _Row, read: _Read) -> Iterator[Finding]:
        """Where the record is the same and the replica made something else of it."""
        place = f"offset {row.offset}"
        if read.kind and read.kind != row.kind:
            yield self._finding(
                "replica", place, f"the replica took it as {row.kind}, and the log makes it {read.kind}"
            )
        elif row.kind == "accepted" and read.commit is not None:
            commit = read.commit
            stored = self._replica.execute(
                _EVENTS, (row.first_ordinal, row.first_ordinal + len(commit.slots))
            ).fetchall()
            said = [
                (slot.originator_id, slot.version, body) for slot, body in zip(commit.slots, commit.bodies, strict=True)
            ]
            if len(stored) != len(said) or not all(self._same(*pair) for pair in zip(stored, said, strict=True)):
                position = f"{self._shard}:{row.first_ordinal}"
                yield self._finding("replica", place, f"the replica's events at {position} are not those of the log")

    def _same(self, stored: tuple[str, int, bytes], said: tuple[str, int, bytes]) -> bool:
        """A body that was given up to an archive says nothing, and its hash was compared already."""
        return stored == said or (stored == (*said[:2], b"") and said[0] in self._pruned)

    def _finding(self, fault: Fault, place: str, sentence: str) -> Finding:
        return Finding(fault, self._shard, place, sentence)


def _span(offsets: range) -> str:
    if len(offsets) == 1:
        return f"offset {offsets[0]}"
    return f"offsets {offsets[0]} to {offsets[-1]}"

"""Holding an archive against itself: every record is judged, numbered and chained again, as on the log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import duckdb
import msgspec

from domain.log.arbitration import Arbiter, UnknownEnvelopeVersion
from domain.log.chain import GENESIS, HASH_BYTES, link, record_hash
from domain.log.checkpoint import Checkpoint, held_against
from domain.log.commit import Commit
from domain.log.envelope import MalformedRecord, Record, to_commit, to_record, type_of
from streams.archive.parquet import UnreadableSegment, connected, read_footer, read_rows
from streams.archive.rows import Row, body_of, commit_of
from streams.archive.segment import ACCEPTED, DUPLICATE, POISON, VOID, Footer, Segment, segments, told_by
from streams.log.append import decode_record
from streams.log.checkpoint_key import sort_out

_BY_SEQUENCE = itemgetter(1)


class BrokenSegment(msgspec.Struct, frozen=True):
    """The first thing of a shard that is not as it was archived. ``record`` is 0 where a whole file is meant."""

    shard: int
    file: str
    record: int
    reason: str


class VerifiedShard(msgspec.Struct, frozen=True, kw_only=True):
    """What of a shard holds, and how many signed checkpoints say so.

    An archive whose last files are gone verifies: compare ``chain`` with the log's.
    """

    shard: int
    files: int
    records: int
    events: int
    chain: str
    checkpoints: int
    broken: BrokenSegment | None = None


class Verified(msgspec.Struct, frozen=True, gc=False):
    """A record that holds: its commit where it has one, and its verdict."""

    outcome: str
    record: Record | None
    commit: Commit | None


class _Broken(Exception):
    def __init__(self, record: int, reason: str) -> None:
        super().__init__(reason)
        self.record = record


def verify_archive(
    folder: Path, *, trusted: Collection[str] = (), on_events: Callable[[int], object] = lambda _: None
) -> list[VerifiedShard]:
    """Check every shard of an archive up to its first broken record; ``on_events`` is told of events that hold.

    With public keys to be ``trusted``, the checkpoints in footers have to be theirs and to hold.
    """
    by_shard = groupby(segments(folder), key=lambda found: found.shard)
    return [
        verify_shard(shard, list(files), lambda _: None, trusted=trusted, on_events=on_events)
        for shard, files in by_shard
    ]


def verify_shard(
    shard: int,
    files: list[Segment],
    on_record: Callable[[Verified], object],
    *,
    trusted: Collection[str] = (),
    on_events: Callable[[int], object] = lambda _: None,
) -> VerifiedShard:
    """Check the files of one shard, in order; ``on_record`` is given each record once it has been found to hold."""
    held = 0
    broken = None
    with closing(connected(threads="2")) as engine:
        reading = _Reading(engine, shard, trusted)
        for segment in files:
            before = reading.next_ordinal
            try:
                for verified in reading.records(segment):
                    on_record(verified)
            except _Broken as fault:
                broken = BrokenSegment(shard, str(segment), fault.record, str(fault))
                break
            held += 1
            on_events(reading.next_ordinal - before)
    return VerifiedShard(
        shard=shard,
        files=held,
        records=reading.sequence,
        events=reading.next_ordinal - 1,
        chain=reading.chain.hex(),
        checkpoints=reading.checkpoints,
        broken=broken,
    )


class _Reading:
    """A new reader of one shard: it starts with nothing and believes only what it recomputes."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, shard: int, trusted: Collection[str]) -> None:
        self._engine = engine
        self._shard = shard
        self._trusted = trusted
        self._log: str | None = None
        self._arbiter = Arbiter()
        self.sequence = 0
        self.next_ordinal = 1
        self.chain = GENESIS
        self.checkpoints = 0

    def records(self, segment: Segment) -> Iterator[Verified]:
        """The records of the next file as they turn out to hold. Raises ``_Broken``."""
        try:
            footer = read_footer(self._engine, segment.path)
            self._check_place(segment, footer)
            said = self._checkpoints(segment, footer)
            chains: dict[int, str] = dict.fromkeys((one.records for one in said), "")
            digest = blake2b(digest_size=HASH_BYTES)
            for sequence, rows in groupby(read_rows(self._engine, segment.path), key=_BY_SEQUENCE):
                if sequence != self.sequence + 1:
                    raise _Broken(self.sequence + 1, f"record {self.sequence + 1} is missing")
                verified, hashed = self._record(sequence, list(rows))
                digest.update(hashed)
                if sequence in chains:
                    chains[sequence] = self.chain.hex()
                yield verified
        except UnreadableSegment as problem:
            raise _Broken(0, str(problem)) from problem
        self._check_end(footer, digest.hexdigest())
        for finding in held_against(said, shard=self._shard, log=footer.log, end=self.sequence, chain_at=chains.get):
            raise _Broken(0, finding.sentence)
        self.checkpoints += len(said)

    def _checkpoints(self, segment: Segment, footer: Footer) -> Sequence[Checkpoint]:
        """The checkpoints of a footer, each from a trusted key; none where no key is trusted."""
        if not self._trusted:
            return ()
        placed = [(str(segment), line.encode()) for line in footer.checkpoints]
        found = sort_out(placed, self._trusted, self._shard)
        for finding in found.findings:
            raise _Broken(0, finding.sentence)
        return found.genuine

    def _check_place(self, segment: Segment, footer: Footer) -> None:
        if (footer.shard, footer.first_sequence, footer.last_sequence) != (segment.shard, segment.first, segment.last):
            held = f"{_span(footer.first_sequence, footer.last_sequence)} of shard {footer.shard}"
            raise _Broken(0, f"it holds {held}, not what it is named after")
        if segment.first > self.sequence + 1:
            gone = _span(self.sequence + 1, segment.first - 1)
            raise _Broken(self.sequence + 1, f"no file before it holds {gone}")
        if segment.first <= self.sequence:
            raise _Broken(segment.first, f"record {segment.first} stands in a file before it already")
        if self._log not in (None, footer.log):
            raise _Broken(0, f"it is of another log ({footer.log or 'an embedded one'}) than the files before it")
        if footer.chain_before != self.chain.hex() or footer.first_ordinal != self.next_ordinal:
            raise _Broken(0, "its chain does not begin where the file before it ends")
        self._log = footer.log

    def _check_end(self, footer: Footer, digest: str) -> None:
        if self.sequence != footer.last_sequence:
            gone = _span(self.sequence + 1, footer.last_sequence)
            raise _Broken(self.sequence + 1, f"its end lacks {gone}")
        if (footer.chain_after, footer.next_ordinal) != (self.chain.hex(), self.next_ordinal):
            raise _Broken(0, "its footer tells another end than its records come to")
        if footer.digest != digest:
            raise _Broken(0, "its footer's digest is not that of its records")

    def _record(self, sequence: int, rows: list[Row]) -> tuple[Verified, bytes]:
        """One record from its rows, and its hash; then it counts."""
        try:
            verified, hashed, events = self._read(rows)
        except (MalformedRecord, msgspec.MsgspecError, UnknownEnvelopeVersion) as problem:
            raise _Broken(sequence, f"it cannot be read: {problem}") from problem
        except _Fault as fault:
            raise _Broken(sequence, str(fault)) from fault
        chained = link(self.chain, hashed)
        if chained != rows[0].chain:
            raise _Broken(sequence, "its content differs from what was chained when it was appended")
        self.sequence, self.next_ordinal, self.chain = sequence, self.next_ordinal + events, chained
        return verified, hashed

    def _read(self, rows: list[Row]) -> tuple[Verified, bytes, int]:
        head = rows[0]
        if any(row.shard != self._shard for row in rows):
            raise _Fault("a row of it is of another shard")
        if head.outcome == ACCEPTED:
            return self._accepted(rows)
        if len(rows) > 1 or head.ordinal is not None:
            raise _Fault(f"it is marked {head.outcome}, and has events")
        if head.raw is None:
            if head.outcome != DUPLICATE or head.record_hash is None or head.commit_id not in self._arbiter.verdicts:
                raise _Fault("its record is missing")
            return Verified(DUPLICATE, None, None), head.record_hash, 0
        record = decode_record(head.raw)
        hashed = record_hash(record)
        try:
            commit = to_commit(record)
        except MalformedRecord:
            if head.outcome != POISON:
                raise
            return Verified(POISON, record, None), hashed, 0
        repeated = commit.commit_id in self._arbiter.verdicts
        found = DUPLICATE if repeated else ACCEPTED if self._arbiter.settle(commit).accepted else VOID
        if (found, commit.commit_id) != (head.outcome, head.commit_id):
            raise _Fault(f"it is marked {head.outcome}, and its place in the log makes it {found}")
        return Verified(found, record, commit), hashed, 0

    def _accepted(self, rows: list[Row]) -> tuple[Verified, bytes, int]:
        events = [row for row in rows if row.ordinal is not None]
        if [row.ordinal for row in events] != list(range(self.next_ordinal, self.next_ordinal + len(events))):
            raise _Fault("its events are not the next ones of the log")
        commit = commit_of(rows)
        record = to_record(commit)
        hashed = record_hash(record)
        if link(self.chain, hashed) != rows[0].chain:
            raise _Fault("its content differs from what was chained when it was appended")
        for row in events:
            body = body_of(row)
            if (row.v, row.id, row.time) != told_by(body) or type_of(body) not in ("", row.type):
                raise _Fault(f"the columns of event {self._shard}:{row.ordinal} are not what its body says")
        if commit.commit_id in self._arbiter.verdicts or not self._arbiter.settle(commit).accepted:
            raise _Fault("it is marked accepted, and its place in the log makes it void")
        return Verified(ACCEPTED, record, commit), hashed, len(events)


class _Fault(Exception):
    """What is wrong with a record, whichever it is."""


def _span(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"

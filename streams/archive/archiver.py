"""Writing what a log has and an archive has not: from where the last segment ends, segment by segment."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path

import duckdb
import msgspec

from domain.log.chain import GENESIS, HASH_BYTES
from domain.log.checkpoint import UnreadableCheckpoint, content, decode
from domain.log.commit import Commit
from streams.archive.parquet import UnreadableSegment, connected, read_footer, write_segment
from streams.archive.rows import Row
from streams.archive.segment import Footer, Segment, segment_path, segments, told_by
from streams.archive.source import LogSource, SourceRecord

SEGMENT_EVENTS = 50_000
"""Events of a full segment: few enough that writing one takes about 300 MB, enough that ten million make 200 files."""


class ArchiveMismatch(Exception):
    """The archive is not one of this log, or cannot be continued; nothing was written."""


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What one run added for a shard, and where its archive now ends. ``chain`` is hex."""

    shard: int
    files: int
    records: int
    events: int
    bytes: int
    last_sequence: int
    last_ordinal: int
    chain: str


class _Reached(msgspec.Struct, frozen=True):
    """Where the archive of a shard ends."""

    sequence: int = 0
    next_ordinal: int = 1
    chain: bytes = GENESIS


def archive_shard(
    source: LogSource,
    folder: Path,
    *,
    checkpoints: Sequence[bytes] = (),
    segment_events: int = SEGMENT_EVENTS,
    on_events: Callable[[int], object] = lambda _: None,
) -> Archived:
    """Archive every record of ``source`` that ``folder`` does not have yet.

    ``checkpoints`` are signed ones, of which those that fall into a segment go into its footer; ``on_events`` is told
    of events written.

    Raises ``ArchiveMismatch`` and ``Unarchivable``; segments written before that stay, each of them whole.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder), closing(connected(threads="2")) as engine:
        existing = [found for found in segments(folder) if found.shard == source.shard]
        _clear_partial(folder / f"shard-{source.shard}")
        reached = _reached(engine, existing, source)
        files = records = events = size = 0
        for batch in _batches(source.records(reached.sequence, reached.next_ordinal, reached.chain), segment_events):
            footer = _footer(source, reached, batch, checkpoints)
            path = segment_path(folder, source.shard, footer.first_sequence, footer.last_sequence)
            write_segment(engine, _rows(source, batch), footer, path)
            reached = _Reached(footer.last_sequence, footer.next_ordinal, bytes.fromhex(footer.chain_after))
            files, records, events = files + 1, records + footer.records, events + footer.events
            size += path.stat().st_size
            on_events(footer.events)
    return Archived(
        shard=source.shard,
        files=files,
        records=records,
        events=events,
        bytes=size,
        last_sequence=reached.sequence,
        last_ordinal=reached.next_ordinal - 1,
        chain=reached.chain.hex(),
    )


def archived_until(source: LogSource, folder: Path) -> int:
    """The ordinal of the last event of ``source`` that the archive holds, 0 where it has none.

    Raises ``ArchiveMismatch`` where the archive is of another log.
    """
    existing = [found for found in segments(folder) if found.shard == source.shard]
    with closing(connected(threads="1")) as engine:
        return _reached(engine, existing, source).next_ordinal - 1


def _reached(engine: duckdb.DuckDBPyConnection, existing: list[Segment], source: LogSource) -> _Reached:
    """The end of the last segment, if the log has the same record there."""
    if not existing:
        return _Reached()
    last = existing[-1]
    try:
        footer = read_footer(engine, last.path)
    except UnreadableSegment as problem:
        raise ArchiveMismatch(f"{last} cannot be continued: {problem}; see `callfold archive verify`") from problem
    if (footer.shard, footer.first_sequence, footer.last_sequence) != (last.shard, last.first, last.last):
        raise ArchiveMismatch(f"{last} is not named after what it holds; see `callfold archive verify`")
    found = source.chain_at(footer.last_sequence)
    if footer.log != source.log or found is None or found.hex() != footer.chain_after:
        raise ArchiveMismatch(
            f"the archive ends with record {footer.last_sequence} of another log than {source.path}, or that log was "
            "changed or cut since; archive to a folder of its own, and see `callfold verify`"
        )
    return _Reached(footer.last_sequence, footer.next_ordinal, found)


def _batches(records: Iterator[SourceRecord], most: int) -> Iterator[list[SourceRecord]]:
    """Records for one segment each: a commit's events stay together, and what changed nothing weighs as one event."""
    batch: list[SourceRecord] = []
    weight = 0
    for record in records:
        own = max(len(record.commit.slots), 1) if record.commit is not None else 1
        if batch and weight + own > most:
            yield batch
            batch, weight = [], 0
        batch.append(record)
        weight += own
    if batch:
        yield batch


def _footer(source: LogSource, before: _Reached, batch: list[SourceRecord], checkpoints: Sequence[bytes]) -> Footer:
    events = sum(len(record.commit.slots) for record in batch if record.commit is not None)
    return Footer(
        log=source.log,
        shard=source.shard,
        first_sequence=batch[0].sequence,
        last_sequence=batch[-1].sequence,
        first_ordinal=before.next_ordinal,
        next_ordinal=before.next_ordinal + events,
        chain_before=before.chain.hex(),
        chain_after=batch[-1].chain.hex(),
        digest=blake2b(b"".join(record.hashed for record in batch), digest_size=HASH_BYTES).hexdigest(),
        checkpoints=_newest_within(checkpoints, source, range(batch[0].sequence, batch[-1].sequence + 1)),
    )


def _newest_within(checkpoints: Sequence[bytes], source: LogSource, records: range) -> tuple[str, ...]:
    """Of each key the last thing that it signed in this range. Verifying the log tells what cannot be read."""
    newest: dict[str, tuple[int, str]] = {}
    for line in checkpoints:
        try:
            signed = decode(line)
            said = content(signed)
        except UnreadableCheckpoint:
            continue
        if (said.log, said.shard) == (source.log, source.shard) and said.records in records:
            newest[signed.public_key] = max(newest.get(signed.public_key, (0, "")), (said.records, line.decode()))
    return tuple(line for _, line in sorted(newest.values()))


def _rows(source: LogSource, batch: list[SourceRecord]) -> Iterator[Row]:
    originators = {slot.originator_id for record in batch if record.commit for slot in record.commit.slots}
    organisations = source.organisations(originators)
    for record in batch:
        commit = record.commit
        name, position = (commit.tracking if commit is not None else None) or (None, None)
        head = Row(
            shard=source.shard,
            sequence=record.sequence,
            outcome=record.outcome,
            reason=record.reason or None,
            commit_id=record.commit_id or None,
            tracking_name=name,
            tracking_position=position,
            raw=record.raw,
            record_hash=record.hashed if commit is None and record.raw is None else None,
            chain=record.chain,
        )
        if commit is None or not commit.slots:
            yield head
        else:
            yield from _event_rows(head, commit, record.first_ordinal, organisations)


def _event_rows(head: Row, commit: Commit, first_ordinal: int, organisations: Mapping[str, str]) -> Iterator[Row]:
    chain = head.chain
    for index, (slot, topic, body) in enumerate(zip(commit.slots, commit.topics, commit.bodies, strict=True)):
        text, raw = _text(body)
        v, id, time = told_by(body)
        yield Row(
            shard=head.shard,
            sequence=head.sequence,
            outcome=head.outcome,
            commit_id=head.commit_id,
            ordinal=first_ordinal + index,
            org_id=organisations.get(slot.originator_id),
            originator_id=slot.originator_id,
            originator_version=slot.version,
            type=topic,
            v=v,
            id=id,
            time=time,
            body=text,
            tracking_name=head.tracking_name,
            tracking_position=head.tracking_position,
            raw=raw,
            chain=chain if index == 0 else None,
        )


def _text(body: bytes) -> tuple[str | None, bytes | None]:
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return None, body


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the archive: two that wrote at once would both begin where the last segment ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveMismatch(f"another process is writing to the archive {folder}; wait for it to end") from None
        yield
    finally:
        os.close(handle)


def _clear_partial(folder: Path) -> None:
    """Remove what a killed archiver had not finished."""
    for partial in folder.glob(".*.partial"):
        partial.unlink()

"""A log file made again from an archive: its records are judged in order, and come to the same chain.

An embedded log's archive makes an embedded log. The archive of a shard on Kafka makes a replica of that shard, which
goes on with the records that Kafka has behind it, also where those before it have expired there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates import AGGREGATES
from domain.log.codec import EventCodec
from domain.log.commit import Commit
from domain.registry import EVENT_TYPES, EventType
from streams.archive.parquet import UnreadableSegment, connected, read_footer
from streams.archive.segment import Segment, segments
from streams.archive.verification import Verified, verify_shard
from streams.flushing import flush
from streams.kafka.identity import LogIdentity
from streams.log.append import append_all
from streams.log.application import LogApplication
from streams.log.kafka.applying import PlacedRecord
from streams.log.kafka.replica import Replica

_AT_ONCE = 1_000
"""Records per write transaction."""


class Unrestorable(Exception):
    """The archive does not make a log; nothing was left at the place for it."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored; ``chain`` (hex) is that of the archive and of the file."""

    shard: int
    records: int
    events: int
    chain: str


def archived_log(folder: Path) -> tuple[str, dict[int, list[Segment]]]:
    """The name of the archived log (empty: an embedded one), and its segments by shard. Raises ``Unrestorable``."""
    by_shard: dict[int, list[Segment]] = {}
    for segment in segments(folder):
        by_shard.setdefault(segment.shard, []).append(segment)
    if not by_shard:
        raise Unrestorable(f"there is no archive in {folder}")
    with closing(connected()) as engine:
        try:
            names = {read_footer(engine, files[0].path).log for files in by_shard.values()}
        except UnreadableSegment as problem:
            raise Unrestorable(f"{problem}; see `callfold archive verify`") from problem
    if len(names) > 1:
        raise Unrestorable(f"{folder} holds shards of different logs: {', '.join(sorted(names))}")
    return names.pop(), by_shard


def restore(
    name: str,
    files: list[Segment],
    log: Path,
    *,
    aggregates: Mapping[str, Aggregate[Any, Any]] = AGGREGATES,
    types: Mapping[str, EventType] = EVENT_TYPES,
    on_events: Callable[[int], object] = lambda _: None,
) -> Restored:
    """Make the file ``log``, which must not exist, of one shard's segments, verified on the way.

    ``name`` is that of the archived log. Raises ``Unrestorable``.
    """
    shard, codec = files[0].shard, EventCodec(types)
    with _appearing_whole(log) as partial:
        made: _Made
        if name:
            made = _Replica(partial, shard, _identity(name), aggregates, codec)
        else:
            made = _Embedded(partial, aggregates, codec)
        with closing(made):
            batches = _Batches(made)
            found = verify_shard(shard, files, batches.take, on_events=on_events)
            if found.broken is not None:
                broken = found.broken
                raise Unrestorable(f"{broken.file} is broken: {broken.reason}; see `callfold archive verify`")
            batches.flush()
            if made.chain() != found.chain:
                raise Unrestorable("the restored log comes to another chain than the archive")
    return Restored(shard=shard, records=found.records, events=found.events, chain=found.chain)


class _Made(Protocol):
    """A log file in the making."""

    def append(self, records: list[Verified]) -> None: ...

    def chain(self) -> str: ...

    def close(self) -> None: ...


class _Batches:
    """Collects records as they are found to hold."""

    def __init__(self, made: _Made) -> None:
        self._made = made
        self._waiting: list[Verified] = []

    def take(self, verified: Verified) -> None:
        self._waiting.append(verified)
        if len(self._waiting) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        self._made.append(self._waiting)
        self._waiting = []


class _Embedded:
    """The only copy of a log; its documents are folded when it is opened."""

    def __init__(self, path: Path, aggregates: Mapping[str, Aggregate[Any, Any]], codec: EventCodec) -> None:
        path.touch(mode=0o600)
        self._application = LogApplication(path, aggregates, codec)

    def append(self, records: list[Verified]) -> None:
        with self._application.datastore.transaction(commit=True) as cursor:
            append_all(cursor.sqlite_cursor.connection, [_commit(record) for record in records])

    def chain(self) -> str:
        rows = self._application.datastore.rows("SELECT chain FROM commits ORDER BY sequence DESC LIMIT 1")
        return str(rows[0][0].hex()) if rows else ""

    def close(self) -> None:
        self._application.datastore.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        self._application.close()


class _Replica:
    """A shard of a log on Kafka, as a node that had read it all would have it."""

    def __init__(
        self,
        path: Path,
        shard: int,
        identity: LogIdentity,
        aggregates: Mapping[str, Aggregate[Any, Any]],
        codec: EventCodec,
    ) -> None:
        self._replica = Replica.open(path, shard, identity, topic="log", aggregates=aggregates, codec=codec)

    def append(self, records: list[Verified]) -> None:
        begin = self._replica.tail.next_offset
        placed = []
        for offset, verified in enumerate(records, begin):
            if verified.record is None:
                raise Unrestorable(f"record {offset + 1} repeats one whose bodies were given up when it was archived")
            placed.append(PlacedRecord(offset, verified.record))
        self._replica.apply(placed)

    def chain(self) -> str:
        return self._replica.tail.chain.hex()

    def close(self) -> None:
        self._replica.datastore.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        self._replica.close()


def _commit(verified: Verified) -> Commit:
    if verified.commit is None:
        raise Unrestorable(f"the archive of an embedded log holds a {verified.outcome} record, as only Kafka has them")
    return verified.commit


def _identity(name: str) -> LogIdentity:
    try:
        return LogIdentity.named(name)
    except ValueError as problem:
        raise Unrestorable(str(problem)) from problem


@contextmanager
def _appearing_whole(log: Path) -> Iterator[Path]:
    """Where to make the file that is to appear at ``log``; nothing appears when that fails."""
    if log.exists():
        raise Unrestorable(f"there is a log at {log} already; name a new data folder")
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = log.with_name(log.name + ".partial")
    _remove(partial)
    try:
        yield partial
        partial.rename(log)
        flush(log.parent)
    finally:
        _remove(partial)


def _remove(partial: Path) -> None:
    for path in (partial, *(partial.with_name(partial.name + end) for end in ("-wal", "-shm", ".lock"))):
        path.unlink(missing_ok=True)

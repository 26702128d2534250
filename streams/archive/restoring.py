"""A log made again from an archive: its commits are appended in order, and come to the same chain."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from domain.aggregates import AGGREGATES
from domain.log.codec import EventCodec
from domain.log.commit import Commit
from streams.archive.segment import ACCEPTED, VOID, segments
from streams.archive.verification import BrokenSegment, Verified, verify_shard
from streams.log.append import EMBEDDED_SHARD, append_all
from streams.log.application import LogApplication

_TRANSACTION = 1_000
"""Commits per write transaction."""


class Unrestorable(Exception):
    """The archive does not make an embedded log; nothing was left at the place for it."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended; ``chain`` (hex) is that of the archive and of the log."""

    records: int
    events: int
    chain: str


def restore(folder: Path, log: Path, on_events: Callable[[int], object] = lambda _: None) -> Restored:
    """Make the log file ``log``, which must not exist, from an archive of an embedded log, verified on the way.

    Its documents are folded when it is opened. Raises ``Unrestorable``.
    """
    if log.exists():
        raise Unrestorable(f"there is a log at {log} already; name a new data folder")
    files = segments(folder)
    shards = {found.shard for found in files}
    if shards != {EMBEDDED_SHARD}:
        held = f"shards {', '.join(map(str, sorted(shards)))}" if shards else "no archive"
        raise Unrestorable(f"{folder} holds {held}; an embedded log is made of shard {EMBEDDED_SHARD} alone")
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = log.with_name(log.name + ".partial")
    _remove(partial)
    try:
        partial.touch(mode=0o600)
        with closing(LogApplication(partial, AGGREGATES, EventCodec())) as application:
            appending = _Appending(application)
            found = verify_shard(EMBEDDED_SHARD, files, appending.take, on_events=on_events)
            if found.broken is not None:
                raise Unrestorable(_sentence(found.broken))
            appending.flush()
            ((records, chain),) = application.datastore.rows(
                "SELECT sequence, chain FROM commits ORDER BY sequence DESC LIMIT 1"
            )
            application.datastore.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if (records, chain.hex()) != (found.records, found.chain):
            raise Unrestorable("the restored log comes to another chain than the archive")
        partial.rename(log)
    finally:
        _remove(partial)
    return Restored(records=found.records, events=found.events, chain=found.chain)


class _Appending:
    """Appends records in their order, many to a transaction."""

    def __init__(self, application: LogApplication) -> None:
        self._datastore = application.datastore
        self._waiting: list[Commit] = []

    def take(self, verified: Verified) -> None:
        if verified.outcome not in (ACCEPTED, VOID) or verified.commit is None:
            raise Unrestorable(
                f"the archive holds a {verified.outcome} record, as logs on Kafka have them; an embedded log has none"
            )
        self._waiting.append(verified.commit)
        if len(self._waiting) >= _TRANSACTION:
            self.flush()

    def flush(self) -> None:
        with self._datastore.transaction(commit=True) as cursor:
            append_all(cursor.sqlite_cursor.connection, self._waiting)
        self._waiting = []


def _sentence(broken: BrokenSegment) -> str:
    return f"{broken.file} of the archive is broken: {broken.reason}; see `callfold archive verify`"


def _remove(partial: Path) -> None:
    for path in (partial, *(partial.with_name(partial.name + end) for end in ("-wal", "-shm", ".lock"))):
        path.unlink(missing_ok=True)

"""Signing where a shard's chain stands, every so many records, every so often, and when the log is closed."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec

from domain.log.chain import GENESIS
from domain.log.checkpoint import Checkpoint
from domain.log.ports import LogUnavailable
from streams.log.checkpoint_key import CheckpointKey, sort_out
from streams.log.file_uri import read_only_uri
from streams.log.head_file import HeadStore

EVERY_RECORDS = 1000
EVERY_SECONDS = 60.0
"""What a crash may leave unsigned."""

_LOOK_SECONDS = 1.0
_log = logging.getLogger(__name__)


class ChainHead(msgspec.Struct, frozen=True):
    """Where a shard stands in a log file or replica."""

    records: int = 0
    events: int = 0
    chain: bytes = GENESIS


def chain_head(connection: sqlite3.Connection, shard: int) -> ChainHead:
    """Where the shard stands. A replica counts records as Kafka's offsets do."""
    if _is_replica(connection):
        row = connection.execute(
            "SELECT next_offset, next_ordinal - 1, chain FROM replica_position WHERE shard=?", (shard,)
        ).fetchone()
    else:
        row = connection.execute(
            "SELECT sequence, first_ordinal + events - 1, chain FROM commits ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
    return ChainHead(*row) if row else ChainHead()


def chain_at(connection: sqlite3.Connection, records: int) -> str | None:
    """The chain (hex) after so many records as the file has it; ``None`` where it does not say."""
    if records == 0:
        return GENESIS.hex()
    tables = ["commits"]
    if _is_replica(connection):
        tables.append("other_records")
    for table in tables:
        row = connection.execute(f"SELECT chain FROM {table} WHERE sequence=?", (records,)).fetchone()  # noqa: S608  # fixed names
        if row is not None:
            return bytes(row[0]).hex()
    return None


def _is_replica(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name='replica_position'").fetchone() is not None


class ContradictedCheckpoint(Exception):
    """The log is not the one that was signed before: signing it now would cover up what happened."""


class HeadKeeper:
    """Looks at the files of a log's shards from the outside once a second and signs what is new in them.

    Close it after the log. ``files`` holds the file of each shard; ``log`` names the log in every checkpoint, empty
    where it has no name. A store that cannot be reached is tried again: appending never waits for it.
    """

    def __init__(
        self,
        files: Mapping[int, Path],
        key: CheckpointKey,
        stores: Sequence[HeadStore],
        *,
        clock: Callable[[], datetime],
        log: str = "",
        every_records: int = EVERY_RECORDS,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._shards = [_ShardHead(shard, path, key, stores, clock, log) for shard, path in files.items()]
        self._every_records = every_records
        self._every_seconds = every_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-heads", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sign what is new since the last time, then stop. The stores stay open."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            self._look(self._every_records, self._every_seconds)
        self._look(1, 0.0)

    def _look(self, every_records: int, every_seconds: float) -> None:
        for shard in self._shards:
            if not shard.look(every_records, every_seconds) and self._closing.is_set():
                # A store that does not answer for one shard would hold up the end once for each of the others.
                return


class _ShardHead:
    """One shard, and what was signed of it last."""

    def __init__(
        self,
        shard: int,
        path: Path,
        key: CheckpointKey,
        stores: Sequence[HeadStore],
        clock: Callable[[], datetime],
        log: str,
    ) -> None:
        self._shard = shard
        self._path = path
        self._key = key
        self._stores = stores
        self._clock = clock
        self._log = log
        self._signed = ChainHead()
        self._signed_at = time.monotonic()
        self._compared = False
        self._contradicted = False
        self._failing = False

    def look(self, every_records: int, every_seconds: float) -> bool:
        """Sign what is new, if it is so many records or so long ago. ``False`` when that was not possible now."""
        try:
            if self._path.exists() and not self._contradicted:
                with closing(sqlite3.connect(read_only_uri(self._path), uri=True)) as connection:
                    self._sign_what_is_new(connection, every_records, every_seconds)
        except ContradictedCheckpoint as contradiction:
            self._contradicted = True
            _log.error("log.checkpoint_contradicted", extra={"shard": self._shard, "reason": str(contradiction)})
        except (LogUnavailable, sqlite3.Error) as problem:
            if not self._failing:
                _log.warning("log.checkpoint_not_signed", extra={"shard": self._shard, "reason": str(problem)})
            self._failing = True
            return False
        self._failing = False
        return True

    def _sign_what_is_new(self, connection: sqlite3.Connection, every_records: int, every_seconds: float) -> None:
        if not _is_made(connection):
            return
        head = chain_head(connection, self._shard)
        fresh = head.records - self._signed.records
        waited = time.monotonic() - self._signed_at
        if fresh <= 0 or (fresh < every_records and waited < every_seconds):
            return
        self._compare_with_the_last(connection, head)
        if head == self._signed:
            return
        checkpoint = Checkpoint(
            log=self._log,
            shard=self._shard,
            records=head.records,
            events=head.events,
            chain=head.chain.hex(),
            time=self._clock(),
        )
        signed = self._key.sign(checkpoint)
        for store in self._stores:
            store.publish(signed)
        self._signed, self._signed_at = head, time.monotonic()

    def _compare_with_the_last(self, connection: sqlite3.Connection, head: ChainHead) -> None:
        """A new checkpoint replaces the last one on a compacted topic, so it must not hide what contradicts it."""
        if self._compared:
            return
        for store in self._stores:
            found = sort_out(store.read(), {self._key.public}, self._shard).genuine
            last = max((said for said in found if said.log == self._log), key=lambda said: said.records, default=None)
            if last is None:
                continue
            if last.records > head.records:
                raise LogUnavailable(
                    f"{last.records} records are signed already, and here are {head.records}; if that stays so the "
                    "log was cut: run callfold verify"
                )
            if chain_at(connection, last.records) != last.chain:
                raise ContradictedCheckpoint(
                    f"the chain after record {last.records} is not the one that was signed before; "
                    "run callfold verify. Nothing is signed any more"
                )
            if last.records == head.records:
                self._signed = head
        self._compared = True


def _is_made(connection: sqlite3.Connection) -> bool:
    """Whether the file has its tables: the log is opened after its keeper has begun to look."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name='commits'").fetchone() is not None

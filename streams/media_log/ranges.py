"""Where on ``callfold.media`` a call's fragments stand: a small SQLite file that can be made again from the topic."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streams.log.transaction import in_transaction

NEAR_OFFSETS = 64
"""Offsets between two records of a call that still count as one range: reading over strangers beats more rows."""

_LAYOUT = 1
_TABLES = (
    """
CREATE TABLE IF NOT EXISTS ranges (
    call_id TEXT,
    partition INTEGER,
    first_offset INTEGER,
    last_offset INTEGER NOT NULL,
    PRIMARY KEY (call_id, partition, first_offset)
) WITHOUT ROWID""",
    """
CREATE INDEX IF NOT EXISTS ranges_by_age ON ranges (partition, last_offset)""",
    """
CREATE TABLE IF NOT EXISTS shed (
    call_id TEXT,
    source TEXT,
    first_seq INTEGER,                     -- of the batch before which they were shed
    dropped INTEGER NOT NULL,
    PRIMARY KEY (call_id, source, first_seq)
) WITHOUT ROWID""",
    """
CREATE TABLE IF NOT EXISTS positions (
    partition INTEGER PRIMARY KEY,
    next_offset INTEGER NOT NULL
)""",
    """
CREATE TABLE IF NOT EXISTS topic (id TEXT PRIMARY KEY) WITHOUT ROWID""",
)


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One record of a call at an offset."""

    call_id: str
    source: str
    first_seq: int
    dropped: int
    offset: int


class OffsetRange(msgspec.Struct, frozen=True, gc=False):
    """``first`` to ``last``, both included; other calls' records may stand between."""

    partition: int
    first: int
    last: int


class RangeIndex:
    """Thread-safe; one process per file. Losing its tail costs nothing: position and ranges are lost together."""

    def __init__(self, path: Path, topic_id: str) -> None:
        """Open the file, made when missing; what it says of another topic is forgotten. Raises ``sqlite3.Error``."""
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        with self._transaction() as run:
            ((layout,),) = run("PRAGMA user_version")
            for statement in _TABLES:
                run(statement)
            known = [row[0] for row in run("SELECT id FROM topic")]
            if known != [topic_id] or layout != _LAYOUT:
                for table in ("ranges", "shed", "positions", "topic"):
                    run(f"DELETE FROM {table}")  # noqa: S608  # fixed names
                run("INSERT INTO topic VALUES (?)", (topic_id,))
                run(f"PRAGMA user_version={_LAYOUT}")

    def positions(self) -> dict[int, int]:
        """The next offset of each partition that was followed."""
        with self._transaction() as run:
            return dict(run("SELECT partition, next_offset FROM positions"))

    def add(self, partition: int, seen: Sequence[Seen], next_offset: int) -> None:
        """Take in the records of one partition up to ``next_offset``, in order."""
        by_call: dict[str, list[int]] = defaultdict(list)
        for record in seen:
            by_call[record.call_id].append(record.offset)
        with self._transaction() as run:
            for call_id, offsets in by_call.items():
                self._extend(run, call_id, partition, offsets)
            for record in seen:
                if record.dropped:
                    identity = (record.call_id, record.source, record.first_seq, record.dropped)
                    run("INSERT OR IGNORE INTO shed VALUES (?,?,?,?)", identity)
            run("INSERT OR REPLACE INTO positions VALUES (?,?)", (partition, next_offset))

    def find(self, call_id: str) -> list[OffsetRange]:
        """The ranges that hold everything of a call, in order."""
        with self._transaction() as run:
            rows = run(
                "SELECT partition, first_offset, last_offset FROM ranges WHERE call_id=?"
                " ORDER BY partition, first_offset",
                (call_id,),
            )
            return [OffsetRange(*row) for row in rows]

    def dropped(self, call_id: str) -> int:
        """How many fragments of a call were shed."""
        with self._transaction() as run:
            ((count,),) = run("SELECT coalesce(sum(dropped), 0) FROM shed WHERE call_id=?", (call_id,))
            return int(count)

    def restart(self, partition: int) -> None:
        """Forget all of one partition: the topic is not the one that was followed."""
        with self._transaction() as run:
            run("DELETE FROM ranges WHERE partition=?", (partition,))
            run("DELETE FROM positions WHERE partition=?", (partition,))

    def forget_before(self, beginnings: Mapping[int, int]) -> None:
        """Drop what the topic no longer holds, given each partition's first offset."""
        with self._transaction() as run:
            for partition, beginning in beginnings.items():
                run("DELETE FROM ranges WHERE partition=? AND last_offset<?", (partition, beginning))
            run("DELETE FROM shed WHERE call_id NOT IN (SELECT call_id FROM ranges)")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @staticmethod
    def _extend(run: _Run, call_id: str, partition: int, offsets: Iterable[int]) -> None:
        last = list(
            run(
                "SELECT first_offset, last_offset FROM ranges WHERE call_id=? AND partition=?"
                " ORDER BY first_offset DESC LIMIT 1",
                (call_id, partition),
            )
        )
        ranges = [list(row) for row in last]
        for offset in offsets:
            if ranges and offset <= ranges[-1][1] + NEAR_OFFSETS:
                ranges[-1][1] = max(ranges[-1][1], offset)
            else:
                ranges.append([offset, offset])
        for first, final in ranges:
            run("INSERT OR REPLACE INTO ranges VALUES (?,?,?,?)", (call_id, partition, first, final))

    @contextmanager
    def _transaction(self) -> Iterator[_Run]:
        with self._lock, in_transaction(self._connection):
            yield self._connection.execute


_Run = Callable[..., sqlite3.Cursor]

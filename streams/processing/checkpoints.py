"""How far a processor is whose effects do not say so themselves: one number per name and shard in a SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from domain.log.position import Position
from domain.processing import Rows


class Checkpoints:
    """Usable from any thread; a checkpoint is on the disk when ``advance`` returns."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS checkpoints (name TEXT, shard INTEGER, ordinal INTEGER NOT NULL, "
            "PRIMARY KEY (name, shard)) WITHOUT ROWID"
        )

    def position(self, name: str, shard: int) -> Position:
        """The last position that ``name`` has dealt with."""
        with self._lock:
            row = self._connection.execute(
                "SELECT ordinal FROM checkpoints WHERE name = ? AND shard = ?", (name, shard)
            ).fetchone()
        return Position(shard, row[0] if row else 0)

    def advance(self, name: str, position: Position) -> None:
        """Never backwards: a late attempt at a passed range changes nothing."""
        with self._lock:
            self._connection.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?) "
                "ON CONFLICT (name, shard) DO UPDATE SET ordinal = max(ordinal, excluded.ordinal)",
                (name, position.shard, position.ordinal),
            )

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._connection.close()


class CheckpointedSink:
    """A ``RowSink`` for effects that leave no trace of their own: delivered, then noted.

    A crash in between delivers the range again, so ``deliver`` must be idempotent (by position and table, say).
    """

    def __init__(self, name: str, checkpoints: Checkpoints, deliver: Callable[[Sequence[Rows]], None]) -> None:
        self._name = name
        self._checkpoints = checkpoints
        self._deliver = deliver

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        """See ``RowSink.write``; here a range may be sent twice."""
        self._deliver(rows)
        self._checkpoints.advance(self._name, last)

    def resume_from(self, shard: int) -> Position:
        """The checkpoint."""
        return self._checkpoints.position(self._name, shard)

    def planned_end(self, shard: int) -> Position | None:
        """Ranges are not planned here."""
        return None

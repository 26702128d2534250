"""The live figures of the embedded runner: a SQLite file beside the log, and a copy of it in memory to answer from."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from domain.log.position import Position
from domain.processing import Rows, SinkUnavailable
from streams.live_figures.entries import Changes, Entry, Fold, decode, encode, fold, reached


class LiveFigureFile:
    """A ``RowSink`` and ``EntrySource``. Entries and position change in one transaction. Thread-safe.

    A file that is gone, or that an older ``version`` of the fold made, is made again from the log.
    """

    def __init__(self, path: Path | str, *, version: int, fold: Fold = fold) -> None:
        self._version = version
        self._fold = fold
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # What a power cut takes away is folded again: position and entries go together.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, entry BLOB) WITHOUT ROWID")
        self._entries: dict[str, Entry] = self._kept()

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        """See ``RowSink.write``."""
        changes = self._fold(self._entries, last, rows)
        with self._lock:
            try:
                self._keep(changes)
            except sqlite3.OperationalError as problem:
                raise SinkUnavailable(f"the live figures cannot be written: {problem}") from problem
            for key, entry in changes.items():
                if entry is None:
                    self._entries.pop(key, None)
                else:
                    self._entries[key] = entry

    def resume_from(self, shard: int) -> Position:
        """Up to where the shard is counted."""
        return Position(shard, reached(self._entries, shard).through)

    def planned_end(self, shard: int) -> Position | None:
        """Ranges are not planned: a transaction takes all of one or nothing."""
        return None

    def entries(self) -> list[tuple[str, Entry]]:
        """See ``EntrySource``."""
        with self._lock:
            return list(self._entries.items())

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._connection.close()

    def _keep(self, changes: Changes) -> None:
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?)",
                [(key, encode(entry)) for key, entry in changes.items() if entry is not None],
            )
            self._connection.executemany(
                "DELETE FROM entries WHERE key = ?", [(key,) for key, entry in changes.items() if entry is None]
            )

    def _kept(self) -> dict[str, Entry]:
        """What the file holds; nothing, where another version of this code wrote it."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version != self._version:
            with self._connection:
                self._connection.execute("DELETE FROM entries")
                self._connection.execute(f"PRAGMA user_version = {self._version}")
        return {key: decode(entry) for key, entry in self._connection.execute("SELECT key, entry FROM entries")}

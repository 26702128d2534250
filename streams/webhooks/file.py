"""The outbox's SQLite file: its tables, and connections for one who writes and for those who look.

It is a fold of the log: a file of another version is emptied and folded again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streams.log.transaction import in_transaction

VERSION: Final = 2

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS positions (shard INTEGER PRIMARY KEY, ordinal INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS messages (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, org_id TEXT NOT NULL, endpoint_id TEXT NOT NULL,
        origin TEXT NOT NULL, about TEXT NOT NULL, sequence INTEGER NOT NULL, type TEXT NOT NULL,
        patience TEXT NOT NULL, event_id TEXT NOT NULL, happened_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, base INTEGER NOT NULL DEFAULT 0,
        replay TEXT NOT NULL DEFAULT '', failure TEXT NOT NULL DEFAULT '', status INTEGER,
        detail TEXT NOT NULL DEFAULT '', ended_ms INTEGER, shard INTEGER NOT NULL, server BLOB NOT NULL,
        body BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS due ON messages (endpoint_id, due_ms, number) WHERE state = 'pending'",
    "CREATE INDEX IF NOT EXISTS dead ON messages (ended_ms) WHERE state = 'dead'",
    "CREATE INDEX IF NOT EXISTS lanes ON messages (endpoint_id, about, sequence)",
    "CREATE INDEX IF NOT EXISTS shown ON messages (org_id, number)",
    "CREATE INDEX IF NOT EXISTS over ON messages (ended_ms) WHERE ended_ms IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS attempts (
        message_id TEXT NOT NULL, attempt INTEGER NOT NULL, at_ms INTEGER NOT NULL, total_ms REAL NOT NULL,
        failure TEXT NOT NULL, status INTEGER, detail TEXT NOT NULL, PRIMARY KEY (message_id, attempt))
        WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS endpoints (
        endpoint_id TEXT PRIMARY KEY, org_id TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT '',
        disabled_ms INTEGER) WITHOUT ROWID""",
)


class OutboxFile:
    """One connection writes, another one reads what was last committed, so that neither waits for the other.

    Usable from any thread.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._writing, self._reading = threading.RLock(), threading.RLock()
        self._writer = self._opened()
        # What a power cut takes away is folded again: position and rows go together.
        self._writer.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            for table in ("positions", "messages", "attempts", "disabled", "endpoints"):
                self._writer.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES:
            self._writer.execute(statement)
        self._writer.execute(f"PRAGMA user_version = {VERSION}")
        self._reader = self._opened()
        self._reader.execute("PRAGMA query_only = ON")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing."""
        with self._writing, in_transaction(self._writer):
            yield self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """What was committed."""
        with self._reading:
            yield self._reader

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        return connection

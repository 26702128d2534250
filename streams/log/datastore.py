"""SQLite as the only copy of a log: what every connection must be set to, and how its errors are told.

Adds to eventsourcing's datastore: ``synchronous=FULL`` on every connection (an accepted commit is on the disk when
the transaction returns), write transactions that take the write lock before they read (``BEGIN IMMEDIATE``, so that
heads read inside stay true while several processes share the file), and connections for reading, one per thread.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eventsourcing import persistence, sqlite

from domain.log.ports import LogUnavailable, OutcomeUnknown
from streams.log.commit_signal import CommitSignal
from streams.log.file_uri import path_of

LOCK_TIMEOUT_SECONDS = 30
"""How long a writer waits for another process's transaction. Group commits hold the lock for milliseconds."""

DATABASE_ERRORS = (sqlite3.Error, persistence.PersistenceError, persistence.ConnectionPoolClosedError)
"""What a use of the file may raise, before ``unavailable`` has named it."""

INLINE_CHECKPOINT_PAGES = 8_000
"""Pages in the write-ahead file (of 4 KiB each) from which on a commit itself moves them into the database. High,
since ``Checkpointer`` does so from a thread of its own; where none runs this bounds the file."""

_PRAGMAS = (
    f"PRAGMA wal_autocheckpoint={INLINE_CHECKPOINT_PAGES}",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
)

_NO_SPACE = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_TRUNCATE}
)
"""Errors that mean the file cannot grow: no space left (FULL), or a quota or size limit (the others)."""

_AFTER_WRITING = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
"""Errors after the last byte was handed to the system: a recovery may still find the commit."""


def set_up(connection: sqlite3.Connection, *, synchronous: str) -> None:
    """What holds for every connection that writes; SQLite keeps none of it in the file."""
    for pragma in (f"PRAGMA synchronous={synchronous}", *_PRAGMAS):
        connection.execute(pragma)


def unavailable(problem: BaseException) -> LogUnavailable:
    """Turn a database error, wrapped by eventsourcing or not, into the log's own."""
    cause: BaseException | None = problem
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    name = getattr(cause, "sqlite_errorname", type(problem).__name__)
    if code in _AFTER_WRITING:
        return OutcomeUnknown(f"the disk did not confirm the write ({name}); re-send the same commit id")
    if code in _NO_SPACE:
        return LogUnavailable(f"no space for the log ({name}); free disk space, nothing was appended", full=True)
    return LogUnavailable(f"the log cannot be used now ({name}: {cause or problem}); nothing was appended")


class _WriteFirstTransaction(sqlite.SQLiteTransaction):
    """Takes the write lock at once where it will commit; a plain ``BEGIN`` would read heads that another changes."""

    def __enter__(self) -> sqlite.SQLiteCursor:
        cursor = self.connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE" if self.commit else "BEGIN")
        except sqlite3.OperationalError as problem:
            raise persistence.OperationalError(problem) from problem
        return cursor

    def __exit__(self, *failure: Any) -> None:
        try:
            super().__exit__(*failure)
        except persistence.PersistenceError:
            # A COMMIT that failed for want of space leaves the transaction open.
            self.connection.rollback()
            raise


class _Connection(sqlite.SQLiteConnection):
    """Closes only between transactions: a pool that is closed closes connections that others still use, and a
    statement under way would go on in freed memory."""

    def __init__(self, raw: sqlite3.Connection, max_age: float | None) -> None:
        super().__init__(raw, max_age)
        self._in_transaction = threading.RLock()

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[sqlite.SQLiteCursor]:
        with self._in_transaction, _WriteFirstTransaction(self, commit=commit) as cursor, cursor:
            yield cursor

    def _close(self) -> None:
        with self._in_transaction:
            super()._close()


class _Pool(sqlite.SQLiteConnectionPool):
    def __init__(self, *, synchronous: str, **options: Any) -> None:
        self._synchronous = synchronous
        super().__init__(**options)

    def _create_connection(self) -> sqlite.SQLiteConnection:
        created = super()._create_connection()
        raw = created._sqlite_conn
        set_up(raw, synchronous=self._synchronous)
        return _Connection(raw, self.max_age)


class _Reader:
    """A connection that only reads; closed with its thread, or by ``LogDatastore.close``."""

    __slots__ = ("__weakref__", "connection", "in_use")

    def __init__(self, name: str) -> None:
        self.in_use = threading.RLock()
        self.connection = sqlite3.connect(
            name, uri=True, check_same_thread=False, isolation_level=None, timeout=LOCK_TIMEOUT_SECONDS
        )
        self.connection.execute("PRAGMA query_only=ON")

    def __del__(self) -> None:
        self.connection.close()


class LogDatastore(sqlite.SQLiteDatastore):
    """One SQLite file in write-ahead mode. Refuses in-memory databases: a log has to outlive its process.

    A ``replica`` is written by one process alone, and what a power failure takes from its end is read again from
    Kafka, since its position is part of every transaction: it is neither flushed on every commit nor watched.
    """

    def __init__(self, db_name: str, *, replica: bool = False, **options: Any) -> None:
        options["lock_timeout"] = options.get("lock_timeout") or LOCK_TIMEOUT_SECONDS
        super().__init__(db_name, **options)
        self.pool = _Pool(
            synchronous="NORMAL" if replica else "FULL", db_name=db_name, lock_timeout=options["lock_timeout"]
        )
        self._threads = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._readers_lock = threading.Lock()
        self.commits = CommitSignal(None if replica else self._data_version)
        if self.pool.is_sqlite_memory_mode:
            raise ValueError(f"{db_name!r} is an in-memory database; a log needs a file")

    @property
    def path(self) -> Path:
        """The database file."""
        return path_of(self.pool.db_name)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Hold the file's preparation lock: one process at a time turns on write-ahead mode and makes tables."""
        lock_path = self.path.with_name(self.path.name + ".lock")
        with lock_path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection for reading: autocommit, tuples as rows. Raises ``LogUnavailable``."""
        reader = self._reader()
        try:
            with reader.in_use:
                yield reader.connection
        except sqlite3.Error as problem:
            raise unavailable(problem) from problem

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement. Raises ``LogUnavailable``."""
        with self.reading() as connection:
            return connection.execute(statement, parameters).fetchall()

    def _reader(self) -> _Reader:
        reader: _Reader | None = getattr(self._threads, "reader", None)
        if reader is None:
            with self._readers_lock:
                if self.pool.closed:
                    raise LogUnavailable("the log is closed")
                reader = self._threads.reader = _Reader(self.pool.db_name)
                self._readers.add(reader)
        return reader

    def checkpoint(self) -> None:
        """Move what can be moved from the write-ahead file into the database, blocking nobody."""
        self.rows("PRAGMA wal_checkpoint(PASSIVE)")

    def _data_version(self) -> int:
        ((version,),) = self.rows("PRAGMA data_version")
        return int(version)

    def close(self) -> None:
        """Wake who waits for commits and close every connection, those of other threads too."""
        if self.pool.closed:
            return
        self.commits.close()
        super().close()
        with self._readers_lock:
            for reader in list(self._readers):
                # Not under a statement that another thread is stepping through.
                with reader.in_use:
                    reader.connection.close()

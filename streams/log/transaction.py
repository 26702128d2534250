"""A transaction on a plain SQLite connection in autocommit mode."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def in_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is done inside, under the write lock from the beginning."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have had SQLite roll back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise

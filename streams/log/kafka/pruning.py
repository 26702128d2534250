"""Giving up what a replica need not keep: bodies and documents of histories that are over and that an archive holds.

Heads, hashes and the chain stay, so verdicts do not change, and the log can still be verified against them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec

from streams.log.datastore import LOCK_TIMEOUT_SECONDS, unavailable
from streams.log.fold import microseconds
from streams.log.transaction import in_transaction

BATCH = 100
"""Histories given up in one transaction: a few milliseconds, so that commits need not wait for longer."""

_PRUNABLE = """
SELECT id FROM documents WHERE kind=? AND status=? AND updated_at<?
AND (SELECT max(ordinal) FROM stored_events WHERE originator_id=id)<=? LIMIT ?"""

_PRUNE = (
    "INSERT INTO pruned SELECT id, org_id, version FROM documents WHERE id=?",
    "DELETE FROM documents WHERE id=?",
    "DELETE FROM key_hashes WHERE document_id=?",
    "DELETE FROM stored_snapshots WHERE originator_id=?",
    "UPDATE stored_events SET state=x'' WHERE originator_id=?",
)


class Prunable(msgspec.Struct, frozen=True):
    """Histories whose document has this kind and status, was last changed ``before``, and whose last event is not after
    ordinal ``archived``."""

    kind: str
    status: str
    before: datetime
    archived: int


def prune(connection: sqlite3.Connection, wanted: Prunable, limit: int) -> int:
    """Give up at most ``limit`` histories in a transaction of its own; how many it were. Raises ``sqlite3.Error``."""
    with in_transaction(connection):
        chosen = connection.execute(
            _PRUNABLE, (wanted.kind, wanted.status, microseconds(wanted.before), wanted.archived, limit)
        )
        ids = [(originator_id,) for (originator_id,) in chosen.fetchall()]
        for statement in _PRUNE:
            connection.executemany(statement, ids)
    return len(ids)


def prune_file(replica: Path, wanted: Prunable) -> int:
    """Give up all such histories of a replica, also one in use; how many it were. Raises ``LogUnavailable``."""
    given_up = 0
    try:
        with closing(sqlite3.connect(replica, isolation_level=None, timeout=LOCK_TIMEOUT_SECONDS)) as connection:
            while done := prune(connection, wanted, BATCH):
                given_up += done
    except sqlite3.Error as problem:
        raise unavailable(problem) from problem
    return given_up

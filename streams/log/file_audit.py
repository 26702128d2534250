"""Holding a log in a file against itself and against signed checkpoints of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from domain.log.checkpoint import Checkpoint, Finding, held_against
from streams.log.append import EMBEDDED_SHARD
from streams.log.audit import Audit
from streams.log.heads import chain_at
from streams.log.verification import BrokenRecord, verify


def count_records(connection: sqlite3.Connection) -> int:
    """How many records ``audit_file`` will read."""
    ((count,),) = connection.execute("SELECT count(*) FROM commits")
    return int(count)


def audit_file(
    connection: sqlite3.Connection, checkpoints: Sequence[Checkpoint], on_record: Callable[[], object] = lambda: None
) -> Audit:
    """Judge, order and chain every record again. ``checkpoints`` are genuine ones. Raises ``sqlite3.Error``.

    A system may run on the file: checkpoints are to be read before, since a later one may cover more than this sees.
    """
    found = verify(connection, on_record)
    broken = found.broken
    findings = [_broken(broken)] if broken is not None else []

    def known(records: int) -> str | None:
        return chain_at(connection, records) if records <= found.records else None

    # Whatever follows a broken record is told by that record; a log that ends there was cut as well.
    end = found.records if broken is None else max(found.records, count_records(connection))
    findings += held_against(checkpoints, shard=EMBEDDED_SHARD, log="", end=end, chain_at=known)
    return Audit(
        shard=EMBEDDED_SHARD,
        begin=0,
        records=found.records,
        events=found.events,
        chain=found.chain,
        checkpoints=len(checkpoints),
        findings=tuple(findings),
    )


def _broken(record: BrokenRecord) -> Finding:
    return Finding(
        "changed",
        EMBEDDED_SHARD,
        f"record {record.sequence}",
        f"record {record.sequence} (first position {EMBEDDED_SHARD}:{record.ordinal}) is broken: {record.reason}",
    )

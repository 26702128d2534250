"""Reading one shard's partition from Kafka again, beside a node's replica of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from domain.log.checkpoint import Checkpoint, Finding
from streams.kafka.identity import LogIdentity, check_identity
from streams.kafka.location import KafkaLocation
from streams.kafka.records import to_record
from streams.kafka.scan import scanned
from streams.kafka.unfit import UnfitCluster
from streams.log.audit import Audit, audit
from streams.log.file_uri import read_only_uri


def audit_topic(
    location: KafkaLocation,
    shard: int,
    identity: LogIdentity,
    *,
    replica: Path | None,
    checkpoints: Sequence[Checkpoint],
    on_begin: Callable[[int], object] = lambda _: None,
    on_record: Callable[[], object] = lambda: None,
) -> Audit:
    """Re-read and re-chain a partition. ``checkpoints`` are genuine ones, read before this is called.

    Nodes may go on appending: what they append meanwhile is left for the next time. ``on_begin`` is told how many
    records there are. Raises ``LogUnavailable`` and ``sqlite3.Error``.
    """
    # What the replica and the checkpoints say has to be older than the end of the partition that is read.
    with _snapshot(replica) as connection, scanned(location, "log", shard) as records:
        mismatch = _foreign(connection, shard, identity, location, replica)
        on_begin(records.end - records.begin)
        found = audit(
            ((record.offset, to_record(record)) for record in records),
            shard=shard,
            begin=records.begin,
            end=records.end,
            log=identity.name,
            replica=None if mismatch else connection,
            checkpoints=checkpoints,
            on_record=on_record,
        )
        return msgspec.structs.replace(found, findings=(*mismatch, *found.findings))


@contextmanager
def _snapshot(path: Path | None) -> Iterator[sqlite3.Connection | None]:
    """The replica as it is now, whatever its node does meanwhile."""
    if path is None:
        yield None
        return
    connection = sqlite3.connect(read_only_uri(path), uri=True, isolation_level=None)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM replica_position").fetchone()
        yield connection
    finally:
        connection.close()


def _foreign(
    connection: sqlite3.Connection | None,
    shard: int,
    identity: LogIdentity,
    location: KafkaLocation,
    path: Path | None,
) -> tuple[Finding, ...]:
    """A replica of another log says nothing about this one."""
    if connection is None:
        return ()
    row = connection.execute("SELECT cluster_id, topic_id FROM replica_position WHERE shard=?", (shard,)).fetchone()
    if row is None:
        return ()
    try:
        check_identity(LogIdentity(*row), identity, topic=location.topic("log"), replica=str(path))
    except UnfitCluster as foreign:
        return (Finding("replica", shard, "the replica", str(foreign)),)
    return ()

"""How a replica's file is opened, and what its errors mean."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from domain.log.ports import LogUnavailable
from streams.kafka.identity import LogIdentity, check_identity
from streams.log.datastore import unavailable
from streams.log.file_uri import read_only_uri
from streams.log.fold import Unfoldable, refold
from streams.log.kafka.applying import ReplicaTail, write_position
from streams.log.kafka.halt import unreadable_replica
from streams.log.states import States


def file_trouble(problem: Exception, shard: int, path: Path) -> LogUnavailable:
    """A damaged file halts for good; anything else (a full disk) may pass."""
    cause: BaseException | None = problem
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__
    if getattr(cause, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return unreadable_replica(shard, str(path), problem)
    return unavailable(problem)


def stored_tail(
    connection: sqlite3.Connection, shard: int, identity: LogIdentity, *, topic: str, path: Path
) -> ReplicaTail:
    """How far the file has read; the beginning in a new one. Raises ``UnfitCluster`` for a replica of another log."""
    row = connection.execute(
        "SELECT next_offset, next_ordinal, chain, record_hash, cluster_id, topic_id"
        " FROM replica_position WHERE shard=?",
        (shard,),
    ).fetchone()
    if row is None:
        write_position(connection, shard, ReplicaTail(), identity)
        return ReplicaTail()
    *place, cluster_id, topic_id = row
    check_identity(LogIdentity(cluster_id, topic_id), identity, topic=topic, replica=str(path))
    return ReplicaTail(*place)


def recorded_identity(path: Path, shard: int) -> tuple[Path, LogIdentity] | None:
    """A replica's file with the log that it was made of; ``None`` where there is none yet, or none that can be read:
    what is wrong with it is told when it is opened."""
    if not path.exists():
        return None
    with suppress(sqlite3.Error), closing(sqlite3.connect(read_only_uri(path), uri=True)) as reading:
        row = reading.execute("SELECT cluster_id, topic_id FROM replica_position WHERE shard=?", (shard,)).fetchone()
        return None if row is None else (path, LogIdentity(*row))
    return None


def refolded(connection: sqlite3.Connection, states: States, shard: int, head: int) -> dict[str, str]:
    """Bring documents up to the running code; the originators whose history it cannot fold, and why."""
    problems: list[Unfoldable] = []
    stale = refold(connection, states, head, shard, problems.append)
    if stale:
        connection.execute(
            f"DELETE FROM unfolded WHERE originator_id IN (SELECT originator_id FROM stored_events"  # noqa: S608  # only placeholders
            f" WHERE originator_version<=1 AND ({' OR '.join(['topic GLOB ?'] * len(stale))}))",
            [f"{kind}.*" for kind in stale],
        )
    for problem in problems:
        note_unfoldable(connection, problem)
    return dict(connection.execute("SELECT originator_id, reason FROM unfolded"))


def note_unfoldable(connection: sqlite3.Connection, problem: Unfoldable) -> None:
    """Keep which event of a history was the first that could not be folded."""
    connection.execute(
        "INSERT OR REPLACE INTO unfolded VALUES (?,?,?)", (problem.originator_id, problem.version, problem.reason)
    )

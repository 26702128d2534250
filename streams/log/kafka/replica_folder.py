"""The folder of a process's replicas: one file per shard, one process at a time."""

from __future__ import annotations

import fcntl
from contextlib import closing
from pathlib import Path
from typing import IO

import msgspec

from domain.log.ports import LogUnavailable
from streams.log.kafka.bootstrap import set_aside, snapshot_shards, start_from_snapshot


def replica_path(folder: Path, shard: int) -> Path:
    """The file of a shard's replica."""
    return folder / f"shard-{shard}.db"


class Replaced(msgspec.Struct, frozen=True):
    """A shard whose replica was replaced by a copy of a snapshot; ``aside`` is where the old one went."""

    shard: int
    snapshot: Path
    aside: Path | None


def replaced_from_snapshots(folder: Path, source: Path) -> list[Replaced]:
    """Start the replicas in ``folder`` again from the newest snapshots in ``source``; empty where it has none.

    Raises ``LogUnavailable``, also where a process uses the replicas.
    """
    with closing(locked(folder)):
        done = []
        for shard in snapshot_shards(source):
            path = replica_path(folder, shard)
            aside = set_aside(path)
            snapshot = start_from_snapshot(source, shard, path)
            if snapshot is not None:
                done.append(Replaced(shard, snapshot, aside))
        return done


def locked(folder: Path) -> IO[bytes]:
    """Hold the folder: two processes on one replica would each apply what the other has applied."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "replicas.lock").open("ab")
    except OSError as problem:
        raise LogUnavailable(f"the replica folder {folder} cannot be used: {problem}") from problem
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise LogUnavailable(
            f"another process uses the replicas in {folder}; give each process a folder of its own"
        ) from None
    return lock

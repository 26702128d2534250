"""Replicas as files: a copy of one starts another node in seconds, where reading the whole log would take minutes.

A snapshot is named after how far it has read (``shard-0@00000000000000001234.db``), so the newest is the last by name.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from domain.log.ports import LogUnavailable
from streams.flushing import flush
from streams.log.datastore import unavailable
from streams.log.file_uri import read_only_uri

KEPT = 2
"""Snapshots of a shard that stay: the newest, and one more should it turn out to be damaged."""

_log = logging.getLogger(__name__)


def save_snapshot(replica: Path, shard: int, folder: Path) -> Path:
    """Copy a replica as it is now, also while it is written to; older copies beyond ``KEPT`` are removed.

    Blocking. Raises ``LogUnavailable``; then no snapshot has appeared.
    """
    partial = folder / f".shard-{shard}.{secrets.token_hex(8)}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(read_only_uri(replica), uri=True)) as source,
            closing(sqlite3.connect(partial)) as copy,
        ):
            partial.chmod(0o600)
            source.backup(copy)
            (offset,) = copy.execute("SELECT next_offset FROM replica_position WHERE shard=?", (shard,)).fetchone()
        flush(partial)
        saved = folder / f"shard-{shard}@{offset:020d}.db"
        partial.replace(saved)
        flush(folder)
        for older in snapshots(folder, shard)[:-KEPT]:
            older.unlink()
    except sqlite3.Error as problem:
        raise unavailable(problem) from problem
    except OSError as problem:
        raise LogUnavailable(f"no snapshot of {replica} can be saved in {folder}: {problem}") from problem
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            partial.unlink()
    _log.info("log.snapshot_saved", extra={"shard": shard, "offset": offset})
    return saved


def snapshots(folder: Path, shard: int) -> list[Path]:
    """The snapshots of a shard, oldest first."""
    return sorted(folder.glob(f"shard-{shard}@*.db"))


def snapshot_shards(folder: Path) -> list[int]:
    """The shards that a folder has snapshots of."""
    names = (path.name.removeprefix("shard-").partition("@")[0] for path in folder.glob("shard-*@*.db"))
    return sorted({int(name) for name in names if name.isdecimal()})


def start_from_snapshot(folder: Path, shard: int, replica: Path) -> Path | None:
    """Make ``replica`` a copy of the newest snapshot; ``None`` where there is none, or the replica is there already.

    Whether it is of this log is checked when it is opened. Raises ``LogUnavailable``.
    """
    if replica.exists():
        return None
    found = snapshots(folder, shard)
    if not found:
        return None
    partial = replica.with_name(replica.name + ".partial")
    try:
        replica.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found[-1], partial)
        partial.chmod(0o600)
        flush(partial)
        partial.replace(replica)
    except OSError as problem:
        raise LogUnavailable(f"the snapshot {found[-1]} cannot be copied to {replica}: {problem}") from problem
    _log.info("log.started_from_snapshot", extra={"shard": shard, "snapshot": found[-1].name})
    return found[-1]


def set_aside(replica: Path) -> Path | None:
    """Move a replica out of the way, beside where it was, to be looked into; ``None`` where there is none.

    No process may use it. Raises ``LogUnavailable``.
    """
    if not replica.exists():
        return None
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = replica.with_name(f"{replica.name}.aside-{moment}")
    try:
        for suffix in ("-wal", "-shm", ""):
            part = replica.with_name(replica.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
        flush(replica.parent)
    except OSError as problem:
        raise LogUnavailable(f"the replica {replica} cannot be moved aside: {problem}") from problem
    return aside

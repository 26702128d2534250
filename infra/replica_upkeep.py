"""What the replicas of a log on Kafka need from time to time: to be copied for others, and not to grow for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.log.ports import LogUnavailable
from infra.settings import Settings
from streams.archive.archiver import ArchiveMismatch, archived_until
from streams.archive.source import opened_source
from streams.log.kafka.bootstrap import save_snapshot
from streams.log.kafka.pruning import Prunable, prune_file

UPKEEP_SECONDS = 3_600.0
ENDED_CALLS = ("call", "ended")
"""Kind and status of the documents that replicas may give up."""

_log = logging.getLogger(__name__)


def save_snapshots(replicas: Mapping[int, Path], folder: Path) -> list[Path]:
    """Copy each shard's replica into ``folder``, also while it is worked on. Raises ``LogUnavailable``."""
    return [save_snapshot(path, shard, folder) for shard, path in sorted(replicas.items())]


def prune_replicas(replicas: Mapping[int, Path], archive: Path, days: float) -> dict[int, int]:
    """Give up calls that ended more than ``days`` ago and that the archive holds; how many, by shard.

    Raises ``ArchiveMismatch`` for the archive of another log, ``LogUnavailable``.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    given_up = {}
    for shard, path in sorted(replicas.items()):
        with opened_source(path, shard) as source:
            archived = archived_until(source, archive)
        given_up[shard] = prune_file(path, Prunable(*ENDED_CALLS, before, archived)) if archived else 0
    return given_up


class ReplicaUpkeep:
    """Does both every hour on a thread, as the settings want it. A failure is logged and tried again an hour later."""

    def __init__(self, settings: Settings, replicas: Mapping[int, Path]) -> None:
        self._settings = settings
        self._replicas = dict(replicas)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replica-upkeep", daemon=True)
        if settings.replica_snapshots is not None or settings.replica_days:
            self._thread.start()

    def close(self) -> None:
        """End after what is being done."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(UPKEEP_SECONDS):
            try:
                self._keep_up()
            except (LogUnavailable, ArchiveMismatch, OSError) as problem:
                _log.warning("replica.upkeep_failed", extra={"reason": str(problem)})

    def _keep_up(self) -> None:
        wanted = self._settings
        if wanted.replica_days and wanted.archive_dir is not None:
            given_up = prune_replicas(self._replicas, wanted.archive_dir, wanted.replica_days)
            _log.info("replica.pruned", extra={"calls": sum(given_up.values())})
        if wanted.replica_snapshots is not None:
            save_snapshots(self._replicas, wanted.replica_snapshots)

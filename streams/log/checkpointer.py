"""Moving committed pages from the write-ahead file into the database beside the writer, not in a commit's way."""

from __future__ import annotations

import logging
import threading

from domain.log.ports import LogUnavailable
from streams.log.datastore import LogDatastore

CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Size of the write-ahead file from which on its pages are moved."""

COMMITS_PER_LOOK = 16
"""Commits between looks at the file's size: waking a thread for each one costs more than the commit."""

_log = logging.getLogger(__name__)


class Checkpointer:
    """A thread that checkpoints when it is nudged and there is enough to move.

    Passive checkpoints never wait for readers or writers, and commits need not wait for them. Under writes without
    pause the file may still grow; from ``INLINE_CHECKPOINT_PAGES`` on, SQLite makes the committing writer pay.
    """

    def __init__(self, datastore: LogDatastore) -> None:
        self._datastore = datastore
        self._write_ahead = datastore.path.with_name(datastore.path.name + "-wal")
        self._nudged = threading.Event()
        self._closing = False
        self._commits = 0
        self._thread = threading.Thread(target=self._run, name="log-checkpointer", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """To be called after a commit, by one thread; costs next to nothing."""
        self._commits += 1
        if self._commits % COMMITS_PER_LOOK == 0:
            self._nudged.set()

    def close(self) -> None:
        """Finish the checkpoint under way and stop."""
        self._closing = True
        self._nudged.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._nudged.wait()
            self._nudged.clear()
            if self._closing:
                return
            try:
                if self._write_ahead.stat().st_size >= CHECKPOINT_BYTES:
                    self._datastore.checkpoint()
            except (LogUnavailable, FileNotFoundError) as problem:
                # Nothing is lost: the pages stay in the write-ahead file and the next nudge tries again.
                _log.warning("log.checkpoint_failed", extra={"reason": str(problem)})

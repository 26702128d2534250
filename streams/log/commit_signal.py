"""Waking readers when the log has grown: at once for commits of this process, by a short poll for those of others."""

from __future__ import annotations

import threading
from collections.abc import Callable

from domain.log.ports import LogUnavailable

POLL_SECONDS = 0.02
"""How often other processes' commits are looked for, and only while somebody waits. One look costs microseconds."""

Callback = Callable[[], None]


class CommitSignal:
    """Calls every attached callback after a commit. Callbacks run on the committing thread and must not block.

    ``data_version`` reads a number that changes whenever anybody has changed the file; ``None`` where this process
    alone changes it.
    """

    def __init__(self, data_version: Callable[[], int] | None) -> None:
        self._data_version = data_version
        self._lock = threading.Lock()
        self._callbacks: list[Callback] = []
        self._stop: threading.Event | None = None
        self._watcher: threading.Thread | None = None

    def attach(self, callback: Callback) -> None:
        """Call ``callback`` after every commit from now on. It is also called for nothing now and then."""
        with self._lock:
            self._callbacks.append(callback)
            if self._watcher is None and self._data_version is not None:
                self._stop = threading.Event()
                self._watcher = threading.Thread(
                    target=self._watch, args=(self._data_version, self._stop), name="log-watcher", daemon=True
                )
                self._watcher.start()

    def detach(self, callback: Callback) -> None:
        """Stop calling ``callback``; unknown ones are ignored."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
            if not self._callbacks:
                self._end_watch()

    def fire(self) -> None:
        """Tell everybody that the log may have grown."""
        for callback in tuple(self._callbacks):
            callback()

    def close(self) -> None:
        """Wake everybody a last time and stop watching."""
        self.fire()
        with self._lock:
            self._callbacks.clear()
            watcher = self._end_watch()
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join()

    def _end_watch(self) -> threading.Thread | None:
        if self._stop is not None:
            self._stop.set()
        watcher, self._watcher = self._watcher, None
        return watcher

    def _watch(self, data_version: Callable[[], int], stop: threading.Event) -> None:
        last: int | None = None
        while not stop.wait(POLL_SECONDS):
            try:
                version = data_version()
            except LogUnavailable:
                # The woken reader meets the same error where somebody handles it.
                version = -1
            if version != last:
                last = version
                self.fire()

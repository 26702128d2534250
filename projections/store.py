"""The analytics store: ClickHouse as a library over a folder, or as a server by URL. Same SQL, same client."""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.analytics import AnalyticsUnavailable


class StoreUnavailable(AnalyticsUnavailable):
    """The store cannot be opened or does not answer. The message says which, why, and what to do."""


class StoreInUse(StoreUnavailable):
    """Another process owns the folder. ``owner`` is its process id, 0 when unknown."""

    def __init__(self, path: Path, owner: int) -> None:
        super().__init__(
            f"The analytics folder {path} is in use by process {owner or 'unknown'}: one process may own it. "
            "Ask that process over HTTP, or stop it first."
        )
        self.path = path
        self.owner = owner


SPARE_DISK_BYTES: Final = 1 << 30
"""What statements leave free of the disk that their files are on."""


@dataclass(frozen=True)
class Limits:
    """What one analyst's statement may take before the engine stops it, and beside what else it runs.

    Without ``threads`` and ``niceness`` two heavy statements made the rows of new events wait five times as long: they
    share the cores with the calls and the folds of this process. ``threads`` 0 means as many as there are cores;
    ``niceness`` is that of the operating system, and does nothing where the engine lacks CAP_SYS_NICE. Groups and
    distinct rows that take more than a quarter of ``memory_bytes`` go on in files, in the engine's folder, which is
    slower: without that, questions about ten million calls were refused. Sorts and joins do so by themselves. These
    files may take ``disk_bytes``, and never the last of the disk, on which the log of a single process stands too.
    """

    seconds: float = 30.0
    memory_bytes: int = 1 << 30
    result_rows: int = 10_000
    threads: int = 1
    niceness: int = 10
    disk_bytes: int = 4 << 30

    def settings(self) -> dict[str, Any]:
        return {
            "max_execution_time": self.seconds,
            "max_memory_usage": self.memory_bytes,
            **self.spilling(),
            "max_temporary_data_on_disk_size_for_query": self.disk_bytes,
            "min_free_disk_space_for_temporary_data": SPARE_DISK_BYTES,
            "limit": self.result_rows,
            "max_threads": self.threads,
            "os_thread_priority": self.niceness,
        }

    def spilling(self) -> dict[str, int]:
        """From how many bytes on the engine goes on in files."""
        return {f"max_bytes_before_external_{what}": self.memory_bytes // 4 for what in ("group_by", "distinct")}


class AnalyticsStore:
    """Hands each thread a client of its own: chDB's calls on one handle wait for each other, handles do not. A client
    goes with its thread.

    Never fork after opening: the engine's threads do not survive it.
    """

    def __init__(
        self, connect: Callable[[], Client], *, engine_arguments: Mapping[str, Any], owner: _Owner | None
    ) -> None:
        self._connect = connect
        self._owner = owner
        self._local = threading.local()
        self._guard = threading.Lock()
        self._clients: weakref.WeakSet[Client] = weakref.WeakSet()
        self._closed = False
        self.engine_arguments = dict(engine_arguments)
        """Arguments with which another client, or SQLAlchemy's engine, reaches the same store."""

    @classmethod
    def open(cls, location: str | Path) -> AnalyticsStore:
        """Open a folder with the embedded engine, or a server by ``http(s)://user:password@host:port/database``.

        Raises ``StoreInUse`` where another process owns the folder and ``StoreUnavailable`` where the engine is
        not installed, a second folder is asked for in one process, or the server does not answer.
        """
        if isinstance(location, str) and location.startswith(("http://", "https://")):
            # Sessions would forbid two statements at a time, and nothing here needs one.
            arguments: dict[str, Any] = {"dsn": location, "autogenerate_session_id": False}
            owner = None
        else:
            path = Path(location).resolve()
            path.mkdir(parents=True, exist_ok=True)
            owner = _Owner.take(path)
            arguments = {"interface": "chdb", "path": str(path)}

        def connect() -> Client:
            return clickhouse_connect.get_client(tz_mode="aware", **arguments)

        store = cls(connect, engine_arguments=arguments, owner=owner)
        try:
            store.client()
        except (ClickHouseError, ImportError) as error:
            store.close()
            raise StoreUnavailable(
                f"The analytics store at {_without_password(location)} cannot be opened: {error}. "
                "For the embedded engine install callfold[embedded] and open one folder a process; "
                "for a server check the URL."
            ) from error
        return store

    def client(self) -> Client:
        """This thread's client, made at first use. Raises ``StoreUnavailable`` after ``close``."""
        client: Client | None = getattr(self._local, "client", None)
        if client is None or self._closed:
            client = self._opened()
            self._local.client = client
        return client

    @contextmanager
    def read_only(self, settings: Mapping[str, Any]) -> Iterator[Client]:
        """A client that can only read and only within ``settings``, neither of which its statements can undo."""
        client = self._opened()
        try:
            for name, value in settings.items():
                client.set_client_setting(name, value)
            client.set_client_setting("readonly", 1)
            yield client
        finally:
            with self._guard:
                self._clients.discard(client)
            client.close()

    def close(self) -> None:
        """Close every thread's client and let go of the folder. Safe to call twice."""
        with self._guard:
            self._closed = True
            clients = list(self._clients)
        for client in clients:
            client.close()
        if self._owner is not None:
            self._owner.release()

    def _opened(self) -> Client:
        with self._guard:
            if self._closed:
                raise StoreUnavailable("The analytics store is closed.")
        client = self._connect()
        with self._guard:
            self._clients.add(client)
        return client


class _Owner:
    """An advisory lock on a file beside the folder; the kernel drops it however the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, path: Path) -> _Owner:
        note = path.with_name(path.name + ".owner")
        descriptor = os.open(note, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            text = note.read_text(encoding="ascii").strip()
            raise StoreInUse(path, int(text) if text.isdecimal() else 0) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        return cls(descriptor)

    def release(self) -> None:
        """Let go. Safe to call twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _without_password(location: str | Path) -> str:
    text = str(location)
    scheme, separator, rest = text.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else text

"""The data folder: everything one embedded system keeps, owned by one process at a time.

    log.db       events, commits and documents            clickhouse/  the analytics engine's files
    media.db     fragments                                artifacts/   recordings and call logs
    processing.db  dead letters                           live/        recordings of running calls
    secret       key that signs call and download URLs    run.json     how to reach the process that owns the folder
    lock         held for as long as a process owns it

Folders are 0700 and files 0600: the log quotes callers, and ``run.json`` carries the operator's token.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_RETRY_SECONDS = 0.05


class FolderInUse(Exception):
    """Another process owns the folder. ``running`` says how to reach it, when it is ready to be reached."""

    def __init__(self, root: Path, running: RunningSystem | None) -> None:
        owner = f"callfold runs on it at {running.url} (process {running.pid})" if running else "another callfold"
        super().__init__(f"data folder {root} is in use: {owner}")
        self.running = running


class FolderUnusable(Exception):
    """The folder cannot be made, read or written; the message says why."""


@dataclass(frozen=True, slots=True)
class RunningSystem:
    """The process that owns a folder. ``operator_token`` opens the operator's routes under ``/operator``."""

    pid: int
    url: str
    operator_token: str


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths inside the folder; nothing is touched before ``create`` or ``own``."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log.db"

    @property
    def media(self) -> Path:
        return self.root / "media.db"

    @property
    def clickhouse(self) -> Path:
        return self.root / "clickhouse"

    @property
    def processing(self) -> Path:
        return self.root / "processing.db"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def live(self) -> Path:
        return self.root / "live"

    @property
    def exists(self) -> bool:
        """True once a system has run here."""
        return self.log.exists()

    def create(self) -> None:
        """Make the folder and its sub-folders. Raises ``FolderUnusable``."""
        try:
            for folder in (self.root, self.clickhouse, self.artifacts, self.live):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise FolderUnusable(f"data folder {self.root} cannot be written by this user")
        except OSError as error:
            raise FolderUnusable(f"data folder {self.root} cannot be made: {error.strerror}") from error

    @contextlib.contextmanager
    def own(self, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Hold the folder for this process; the kernel lets go of it however the process ends.

        Raises ``FolderInUse`` when a running system holds it, or another process does not let go within
        ``wait_seconds``.
        """
        self.create()
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + wait_seconds
            while not _locked(handle):
                running = self.announced()
                if running is not None or time.monotonic() >= deadline:
                    raise FolderInUse(self.root, running)
                time.sleep(_RETRY_SECONDS)
            # What a killed owner left behind says nothing any more.
            self._run_file.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._run_file.unlink(missing_ok=True)
        finally:
            os.close(handle)

    def announce(self, running: RunningSystem) -> None:
        """Tell other commands how to reach this process, from the moment that it can be reached."""
        _write_private(self._run_file, json.dumps(asdict(running)).encode())

    def announced(self) -> RunningSystem | None:
        """What the owner said last. Only the lock tells whether that owner still lives: see ``own``."""
        try:
            return RunningSystem(**json.loads(self._run_file.read_bytes()))
        except FileNotFoundError:
            return None

    def secret(self) -> bytes:
        """The folder's signing secret, made at first use."""
        path = self.root / "secret"
        if not path.exists():
            _write_private(path, secrets.token_hex(32).encode())
        return path.read_bytes().strip()

    @property
    def _run_file(self) -> Path:
        return self.root / "run.json"


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; readers see the old content or the new, never a part."""
    partial = path.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)

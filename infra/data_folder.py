"""The data folder: everything that the processes of one machine keep, each of them in a seat of its own.

    log.db       events, commits and documents            clickhouse/  the analytics engine's files
    media.db     fragments                                artifacts/   recordings and call logs
    processing.db  dead letters                           live/        recordings of running calls
    secret       key that signs call and download URLs    run.json     how to reach the process in the main seat
    replica/     what each seat keeps of a shared log     lock         held for as long as the main seat is taken
    media-1.json, media-1.lock, …                         the same for processes beside it
    knowledge/   indexes of uploads; can be made again
    checkpoint.key, .pub  signs the log's checkpoints     checkpoints.jsonl  what was signed of log.db

The main seat (`callfold up`, `callfold api`, commands where neither runs) has the analytics engine and the operator's
routes, so there is one of it; media processes sit beside it.

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

from streams.flushing import flush

MAIN = "main"
_RETRY_SECONDS = 0.05
_MOST_BESIDE = 256


class FolderInUse(Exception):
    """Another process has the seat. ``running`` says how to reach it, when it is ready to be reached."""

    def __init__(self, root: Path, running: RunningSystem | None) -> None:
        owner = "another callfold"
        if running is not None:
            owner = f"callfold runs on it{f' at {running.url}' if running.url else ''} (process {running.pid})"
        super().__init__(f"data folder {root} is in use: {owner}")
        self.running = running


class FolderUnusable(Exception):
    """The folder cannot be made, read or written; the message says why."""


@dataclass(frozen=True, slots=True)
class RunningSystem:
    """The process in a seat. ``operator_token`` opens the operator's routes under ``/operator``, where it has them."""

    pid: int
    url: str
    operator_token: str
    role: str = "up"


@dataclass(frozen=True, slots=True)
class Seat:
    """One process's place in the folder, held until it ends. ``name`` is ``main``, ``media-1``, ``project-1``."""

    folder: DataFolder
    name: str

    @property
    def replica(self) -> Path:
        """Where this process keeps its own fold of a log that is elsewhere."""
        return self.folder.replicas / self.name

    def announce(self, running: RunningSystem) -> None:
        """Tell other commands how to reach this process, from the moment that it can be reached."""
        _write_private(self._run_file, json.dumps(asdict(running)).encode())

    def announced(self) -> RunningSystem | None:
        """What the process in this seat said last. Only the lock tells whether it still lives."""
        try:
            return RunningSystem(**json.loads(self._run_file.read_bytes()))
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def taken(self, *, wait_seconds: float = 0.0) -> Iterator[Seat]:
        """Hold the seat for this process; the kernel lets go of it however the process ends. See ``own``."""
        handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + wait_seconds
            while not _locked(handle):
                running = self.announced()
                if running is not None or time.monotonic() >= deadline:
                    raise FolderInUse(self.folder.root, running)
                time.sleep(_RETRY_SECONDS)
            # What a killed owner left behind says nothing any more.
            self._run_file.unlink(missing_ok=True)
            try:
                yield self
            finally:
                self._run_file.unlink(missing_ok=True)
        finally:
            os.close(handle)

    @property
    def _run_file(self) -> Path:
        return self.folder.root / ("run.json" if self.name == MAIN else f"{self.name}.json")

    @property
    def _lock_file(self) -> Path:
        return self.folder.root / ("lock" if self.name == MAIN else f"{self.name}.lock")


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths inside the folder; nothing is touched before ``create``, ``own`` or ``join``."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log.db"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints.jsonl"

    @property
    def checkpoint_key(self) -> Path:
        return self.root / "checkpoint.key"

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
    def knowledge(self) -> Path:
        return self.root / "knowledge"

    @property
    def live(self) -> Path:
        return self.root / "live"

    @property
    def replicas(self) -> Path:
        return self.root / "replica"

    @property
    def exists(self) -> bool:
        """True once a system has run here."""
        return self.log.exists() or self.replicas.exists()

    def create(self) -> None:
        """Make the folder and its sub-folders. Raises ``FolderUnusable``."""
        try:
            for folder in (self.root, self.clickhouse, self.artifacts, self.knowledge, self.live):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise FolderUnusable(f"data folder {self.root} cannot be written by this user")
        except OSError as error:
            raise FolderUnusable(f"data folder {self.root} cannot be made: {error.strerror}") from error

    @contextlib.contextmanager
    def own(self, *, wait_seconds: float = 0.0) -> Iterator[Seat]:
        """Take the main seat; the kernel lets go of it however the process ends.

        Raises ``FolderInUse`` when a running system has it, or another process does not let go within
        ``wait_seconds``.
        """
        self.create()
        with Seat(self, MAIN).taken(wait_seconds=wait_seconds) as seat:
            yield seat

    @contextlib.contextmanager
    def join(self, role: str, *, most: int = _MOST_BESIDE) -> Iterator[Seat]:
        """Take the first free seat of ``role`` beside the main one. Raises ``FolderInUse`` when ``most`` are taken."""
        self.create()
        with contextlib.ExitStack() as held:
            yield self._first_free(role, most, held)

    def announced(self) -> RunningSystem | None:
        """What the process in the main seat said last. Only the lock tells whether it still lives: see ``own``."""
        return Seat(self, MAIN).announced()

    def announce(self, running: RunningSystem) -> None:
        """As ``Seat.announce`` of the main seat."""
        Seat(self, MAIN).announce(running)

    def beside(self, *, but: str = "") -> list[RunningSystem]:
        """Every process that runs beside the main seat and has said how to reach it, except the one in seat ``but``."""
        found = []
        for lock in sorted(self.root.glob("*-*.lock")):
            if lock.stem == but:
                continue
            try:
                with Seat(self, lock.stem).taken():
                    continue
            except FolderInUse as error:
                if error.running is not None:
                    found.append(error.running)
        return found

    def secret(self) -> bytes:
        """The folder's signing secret, made at first use by whichever process comes first."""
        path = self.root / "secret"
        if not path.exists():
            made = path.with_name(f"secret.{secrets.token_hex(8)}")
            _write_private(made, secrets.token_hex(32).encode())
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
            made.unlink()
            # Whatever is signed with it is given out from now on: it must be the same one after a power cut.
            flush(self.root)
        return path.read_bytes().strip()

    def _first_free(self, role: str, most: int, held: contextlib.ExitStack) -> Seat:
        running = None
        for number in range(1, most + 1):
            try:
                return held.enter_context(Seat(self, f"{role}-{number}").taken())
            except FolderInUse as error:
                running = error.running
        raise FolderInUse(self.root, running)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; readers see the old content or the new, never a part."""
    partial = path.with_name(f"{path.name}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)

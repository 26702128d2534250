"""Where signed checkpoints are kept, and the one place that needs nothing else: a file beside the log."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from domain.log.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    UnreadableCheckpoint,
    content,
    decode,
    encode,
)
from domain.log.ports import LogUnavailable

_TAIL_BYTES = 64 * 1024

Placed = tuple[str, bytes]
"""A signed checkpoint as it stands somewhere, after the place in words."""


class HeadStore(Protocol):
    """Takes checkpoints for good, and gives them back with the place where each stands."""

    def publish(self, checkpoint: SignedCheckpoint) -> None:
        """Durable when it returns. Raises ``LogUnavailable``."""

    def read(self) -> list[Placed]:
        """What is kept, readable or not. Raises ``LogUnavailable``."""


class HeadFile:
    """A file of one checkpoint per line, only ever appended to. Several processes may share it.

    Copies of it kept elsewhere are worth having: who can rewrite the log can cut this file as well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def publish(self, checkpoint: SignedCheckpoint) -> None:
        """Append a line, unless another process has said as much already. Raises ``LogUnavailable``."""
        said = content(checkpoint)
        try:
            with open(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _covers(_tail(file.fileno()), said):
                    return
                file.write(encode(checkpoint) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise LogUnavailable(f"checkpoints cannot be written to {self._path}: {problem.strerror}") from problem

    def read(self) -> list[Placed]:
        """Every whole line. Raises ``LogUnavailable``."""
        try:
            lines = self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise LogUnavailable(f"checkpoints cannot be read from {self._path}: {problem.strerror}") from problem
        return [(f"{self._path.name} line {number}", line) for number, line in enumerate(lines, 1)]


def _tail(descriptor: int) -> bytes:
    """The last whole lines. A line that a crash cut short is removed: nobody was told that it is durable."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        os.ftruncate(descriptor, size - torn)
    return tail[: len(tail) - torn]


def _covers(tail: bytes, said: Checkpoint) -> bool:
    """Whether the shard's last checkpoint says the same."""
    for line in reversed(tail.splitlines()):
        try:
            written = content(decode(line))
        except UnreadableCheckpoint:
            continue
        if written.shard == said.shard:
            return written.records == said.records and written.chain == said.chain
    return False

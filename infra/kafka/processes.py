"""Processes that outlive their starter, and are never mistaken for others: pid, start time and boot together.

A pid alone is reused sooner or later. Signals go through a pidfd that was checked after it was opened, so that a
process which ends in between cannot have its pid's next owner signalled. Linux only, as the rest of callfold.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

_FIRST_FIELD_AFTER_NAME = 3
_STATE, _START_TICKS = 3, 22
"""Fields of ``/proc/PID/stat``, counted from 1 as proc(5) does."""


class Condition(enum.Enum):
    """What a process is doing, as far as its keeper cares."""

    RUNNING = "running"
    PAUSED = "paused"
    DEAD = "dead"


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One process, for ever: ``started_ticks`` is its start in clock ticks since the boot that ``boot`` names."""

    pid: int
    started_ticks: int
    boot: str

    @property
    def condition(self) -> Condition:
        """Also right for a pid that has been reused: then this process is dead."""
        fields = _stat(self.pid)
        if fields is None or not self._is(fields):
            return Condition.DEAD
        match fields[_STATE - _FIRST_FIELD_AFTER_NAME]:
            case "T" | "t":
                return Condition.PAUSED
            case "Z" | "X":
                return Condition.DEAD
            case _:
                return Condition.RUNNING

    @property
    def resident_mb(self) -> float:
        """Memory it occupies, in MB; 0 when it is dead."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 if self.condition is not Condition.DEAD else 0.0

    def send(self, number: signal.Signals) -> bool:
        """Signal it; false when it is dead already."""
        with self._handle() as handle:
            if handle is None:
                return False
            signal.pidfd_send_signal(handle, number)
            return True

    def wait(self, seconds: float) -> bool:
        """Wait until it is dead, at most this long; whether it is. Reaps it if it is a child of this process."""
        with self._handle() as handle:
            if handle is None:
                return True
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(max(seconds, 0.0) * 1000):
                return False
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, handle, os.WEXITED)
            return True

    @contextlib.contextmanager
    def _handle(self) -> Iterator[int | None]:
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            fields = _stat(self.pid)
            yield handle if fields is not None and self._is(fields) else None
        finally:
            os.close(handle)

    def _is(self, fields: Sequence[str]) -> bool:
        return (int(fields[_START_TICKS - _FIRST_FIELD_AFTER_NAME]), _boot()) == (self.started_ticks, self.boot)


def spawn(command: list[str], *, output: Path, environment: Mapping[str, str] = os.environ) -> Process:
    """Start a program in a session of its own, so that it outlives this process and hears nothing of its Ctrl-C.

    Both its outputs are appended to the file ``output``.
    """
    appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=(
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(output), appending, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ),
        setsid=True,
    )
    fields = _stat(pid)
    assert fields is not None, "an unreaped child has an entry in /proc"
    return Process(pid, int(fields[_START_TICKS - _FIRST_FIELD_AFTER_NAME]), _boot())


def wait_for(process: Process, condition: Condition, *, seconds: float) -> bool:
    """Wait until the kernel shows ``process`` in this condition; whether it does."""
    if condition is Condition.DEAD:
        # Its first thread shows as dead while others still hold its ports; all are gone when the pidfd says so.
        return process.wait(seconds)
    deadline = time.monotonic() + seconds
    while process.condition is not condition:
        if time.monotonic() > deadline or process.wait(0.002):
            return process.condition is condition
    return True


def _stat(pid: int) -> list[str] | None:
    """Fields of ``/proc/PID/stat`` from the third on: what stands before may contain anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()

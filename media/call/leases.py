"""Who serves a call, and whether they still live: heartbeat files beside process identity, for one machine.

An owner's name carries the machine's boot id and process namespace, the process id and the process's start time, so
that a restarted machine, a reused process id or a process of another container is not taken for the owner. Its
heartbeat tells a process that hangs from one that works.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Protocol

_log = logging.getLogger(__name__)


class Leases(Protocol):
    """Asked by the reaper. Here by files, for processes on one machine; elsewhere by records that machines share."""

    @property
    def owner(self) -> str:
        """This process's name as an owner of calls."""

    def beat(self) -> None:
        """This process is alive now. Blocking, quick. Raises ``OSError`` where that cannot be told to others."""

    def alive(self, owner: str) -> bool:
        """Whether the owner may still serve its calls."""

    def last_beat(self, owner: str) -> datetime | None:
        """When the owner was last heard, by the wall clock; ``None`` where nobody here knows."""

    def current(self) -> bool:
        """Whether this process was heard so lately that nobody can have taken it for dead."""

    def release(self) -> None:
        """This process serves nothing any more."""

    def deliver(self, delivers: bool) -> None:
        """Let the others know from here on whether this process delivers messages to tenants' servers."""

    def deliverers(self) -> frozenset[str]:
        """The processes that do, this one included; the same object while they are the same."""

    def resigned(self, owner: str) -> bool:
        """Whether a process that lives has said that it does not any more."""


async def keep_alive(leases: Leases, every_s: float) -> None:
    """Beat for ever. A beat that fails is tried again: until the lease runs out nothing is lost."""
    while True:
        try:
            await asyncio.to_thread(leases.beat)
        except OSError as error:
            _log.warning("lease.not_renewed", extra={"reason": error.strerror or str(error)})
        await asyncio.sleep(every_s)


class FileLeases:
    """Heartbeats as modification times of files in ``folder``; ``lease_s`` after the last one an owner is dead.

    Silence is counted by this process's own ``monotonic`` clock from when it saw the last heartbeat, so that a ``wall``
    clock that is set makes nobody look dead or alive. Only how old a heartbeat is that is seen for the first time is
    told by the wall clock.
    """

    def __init__(
        self,
        folder: Path,
        lease_s: float,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lease_s = lease_s
        self._wall = wall
        self._monotonic = monotonic
        self._owner = process_name()
        self._beaten_s = -inf
        self._seen: dict[str, tuple[float, float]] = {}
        """By owner: the last heartbeat by the wall clock, and when that was by the monotonic one."""

    @property
    def owner(self) -> str:
        return self._owner

    def beat(self) -> None:
        self._path(self._owner).touch()
        self._beaten_s = self._monotonic()

    def alive(self, owner: str) -> bool:
        if owner == self._owner:
            return True
        return not process_is_gone(owner) and self._silence_s(owner) <= self._lease_s

    def last_beat(self, owner: str) -> datetime | None:
        beat = self._beat_of(owner)
        return None if beat is None else datetime.fromtimestamp(beat, UTC)

    def current(self) -> bool:
        return self._monotonic() - self._beaten_s <= self._lease_s / 2

    def release(self) -> None:
        self._path(self._owner).unlink(missing_ok=True)

    def deliver(self, delivers: bool) -> None:
        """With a log in a file one process delivers; nobody else need know."""

    def deliverers(self) -> frozenset[str]:
        return frozenset((self._owner,))

    def resigned(self, owner: str) -> bool:
        return False

    def _silence_s(self, owner: str) -> float:
        """Since its last heartbeat; without end where there is none."""
        beat = self._beat_of(owner)
        if beat is None:
            self._seen.pop(owner, None)
            return inf
        now_s = self._monotonic()
        known = self._seen.get(owner)
        if known is None:
            self._seen[owner] = known = (beat, now_s - max(0.0, self._wall() - beat))
        elif known[0] != beat:
            self._seen[owner] = known = (beat, now_s)
        return now_s - known[1]

    def _beat_of(self, owner: str) -> float | None:
        try:
            return self._path(owner).stat().st_mtime
        except (FileNotFoundError, ValueError):
            return None

    def _path(self, owner: str) -> Path:
        name = f"{owner}.lease"
        if "/" in name or "\0" in name:
            raise ValueError(f"{owner!r} is not the name of an owner")
        return self._folder / name


def process_name() -> str:
    """A name that no other process has, on this machine or another, now or later: ``machine.pid.start``."""
    pid = os.getpid()
    return f"{_machine()}.{pid}.{_start_time(pid)}"


def process_is_gone(name: str) -> bool:
    """Whether the process of this name is known to have ended: it ran on this machine, and does not any more.

    ``False`` says nothing about processes of other machines.
    """
    machine, _, process = name.partition(".")
    pid, _, started = process.partition(".")
    return machine == _machine() and pid.isdecimal() and _start_time(int(pid)) != started


def _machine() -> str:
    """The boot of the kernel and, since containers share a kernel, the namespace that process ids count in."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return "unknown-boot"
    return f"{boot}-{namespace.strip('pid:[]')}"


def _start_time(pid: int) -> str:
    """Clock ticks between boot and the start of the process; empty when there is no such process, or a dead one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]

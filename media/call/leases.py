"""Who serves a call, and whether they still live: heartbeat files beside process identity, for one machine.

An owner's name carries the machine's boot id, the process id and the process's start time, so that a restarted machine
or a reused process id is not taken for the owner. Its heartbeat file tells a process that hangs from one that works.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Protocol

_log = logging.getLogger(__name__)


class Leases(Protocol):
    """Asked by the reaper; an implementation for several machines would ask the log."""

    @property
    def owner(self) -> str:
        """This process's name as an owner of calls."""

    def beat(self) -> None:
        """This process is alive now. Blocking, quick."""

    def alive(self, owner: str) -> bool:
        """Whether the owner may still serve its calls."""

    def release(self) -> None:
        """This process serves nothing any more."""


async def keep_alive(leases: Leases, every_s: float) -> None:
    """Beat for ever. A beat that fails is tried again: until the lease runs out nothing is lost."""
    while True:
        try:
            await asyncio.to_thread(leases.beat)
        except OSError as error:
            _log.warning("lease.not_renewed", extra={"reason": error.strerror or str(error)})
        await asyncio.sleep(every_s)


class FileLeases:
    """Heartbeats as modification times of files in ``folder``; ``lease_s`` after the last one an owner is dead."""

    def __init__(self, folder: Path, lease_s: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lease_s = lease_s
        pid = os.getpid()
        self._owner = f"{_boot_id()}.{pid}.{_start_time(pid)}"

    @property
    def owner(self) -> str:
        return self._owner

    def beat(self) -> None:
        self._path(self._owner).touch()

    def alive(self, owner: str) -> bool:
        if owner == self._owner:
            return True
        boot, _, process = owner.partition(".")
        pid, _, started = process.partition(".")
        if boot == _boot_id() and pid.isdecimal() and _start_time(int(pid)) != started:
            return False
        try:
            age_s = time.time() - self._path(owner).stat().st_mtime
        except (FileNotFoundError, ValueError):
            return False
        return age_s <= self._lease_s

    def release(self) -> None:
        self._path(self._owner).unlink(missing_ok=True)

    def _path(self, owner: str) -> Path:
        name = f"{owner}.lease"
        if "/" in name or "\0" in name:
            raise ValueError(f"{owner!r} is not the name of an owner")
        return self._folder / name


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown-boot"


def _start_time(pid: int) -> str:
    """Clock ticks between boot and the start of the process; empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]

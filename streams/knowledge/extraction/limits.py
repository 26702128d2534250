"""How much reading one file may take, and how a process holds itself to it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

import msgspec

_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 128
_NICENESS = 10


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Of one file: seconds of processor time and of waiting, bytes of address space, bytes of text that come out."""

    cpu_seconds: int = 60
    wall_seconds: float = 180.0
    memory_bytes: int = 768 * 1024 * 1024
    text_bytes: int = 10 * 1024 * 1024


def hold_to(limits: Limits) -> None:
    """Bind this process to the limits for good, before it touches what somebody uploaded.

    It also gives way to every other process, keeps nothing when it crashes, and dies with its parent.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    # The index of a text is several times as long as the text.
    largest = limits.text_bytes * 16 + 1024 * 1024
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

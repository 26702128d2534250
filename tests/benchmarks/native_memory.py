"""What a process holds outside Python's allocator: the C library's heap, and SQLite's share of it."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path


class _Mallinfo2(ctypes.Structure):
    """``mallinfo2(3)`` of glibc 2.33 and newer, in bytes."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


@cache
def _heap() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _Mallinfo2
    return library


@cache
def _sqlite() -> ctypes.CDLL:
    """The library that this process has loaded, wherever Python found it."""
    mapped = Path("/proc/self/maps").read_text().split()
    library = ctypes.CDLL(next(name for name in mapped if "sqlite3" in name and name.startswith("/")))
    library.sqlite3_memory_used.restype = ctypes.c_int64
    return library


def heap_mb() -> tuple[float, float]:
    """Of the C library's heap what is in use, and what is free in it and not given back to the system."""
    found = _heap().mallinfo2()
    return (found.uordblks + found.hblkhd) / (1 << 20), found.fordblks / (1 << 20)


def sqlite_mb() -> float:
    """In use by SQLite, most of it pages of the files."""
    return float(_sqlite().sqlite3_memory_used()) / (1 << 20)

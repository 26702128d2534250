"""A file of records in order, for what a log does not take at the moment: it outlives the process that wrote it.

A record is its length and CRC-32 (both 32 bits, little-endian) and its bytes; a length of zero ends the file, and so
does a record that is not whole. Whoever has the file open holds its lock (flock), which the kernel takes back however
the process ends: a file whose lock can be had belongs to nobody any more.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_HEADER = struct.Struct("<II")
_END = _HEADER.pack(0, 0)


class SpoolInUse(Exception):
    """Another process holds the file."""


class SpoolFile:
    """A queue on disk: ``append`` at its tail, ``peek`` and ``advance`` at its head. It blocks and is not thread-safe.

    ``reserve_bytes`` are taken from the disk at once, so that there is room even when the disk is full later. The head
    is not kept on disk: after a crash all records come again, so they must be harmless when they are repeated.
    """

    def __init__(self, path: Path, *, reserve_bytes: int = 0) -> None:
        """Open, or make at first use. Raises ``SpoolInUse`` and ``OSError``."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._reserve_bytes = reserve_bytes
        self._file = _opened(path) if path.exists() else _made(path)
        self._head = 0
        self._tail = sum(_HEADER.size + len(record) for record in _records(self._file))
        try:
            self._reserve(self._file)
        except OSError:
            os.close(self._file)
            raise

    @property
    def waiting_bytes(self) -> int:
        """Bytes from head to tail, headers included."""
        return self._tail - self._head

    @property
    def size_bytes(self) -> int:
        """Bytes from the beginning of the file to the tail: what was taken from the head counts until ``rewrite``."""
        return self._tail

    def append(self, records: Sequence[bytes]) -> None:
        """Durable when it returns. Raises ``OSError``, and then the queue is as it was."""
        data = b"".join(_framed(record) for record in records)
        _write_at(self._file, data + _END, self._tail)
        os.fsync(self._file)
        self._tail += len(data)

    def peek(self, most_bytes: int) -> list[bytes]:
        """The first records: one at least where there is any, more while they stay within ``most_bytes``."""
        records: list[bytes] = []
        size = 0
        for record in self.waiting():
            size += len(record)
            if records and size > most_bytes:
                break
            records.append(record)
        return records

    def waiting(self) -> Iterator[bytes]:
        """Every record from head to tail."""
        return _records(self._file, self._head, self._tail)

    def advance(self, records: Sequence[bytes]) -> None:
        """Take away what ``peek`` gave."""
        self._head += sum(_HEADER.size + len(record) for record in records)
        if self._head == self._tail:
            self.clear()

    def clear(self) -> None:
        """Take everything away; the reserved space is kept."""
        _write_at(self._file, _END, 0)
        self._head = self._tail = 0
        if os.fstat(self._file).st_size > self._reserve_bytes:
            os.ftruncate(self._file, max(self._reserve_bytes, len(_END)))

    def rewrite(self, records: Iterable[bytes]) -> None:
        """Put these records in the place of what waits. Raises ``OSError``, and then the queue is as it was."""
        partial = self.path.with_name(f"{self.path.name}.partial")
        partial.unlink(missing_ok=True)
        file = _opened(partial)
        try:
            tail = 0
            for record in records:
                _write_at(file, _framed(record) + _END, tail)
                tail += _HEADER.size + len(record)
            self._reserve(file)
            os.fsync(file)
            partial.rename(self.path)
        except OSError:
            os.close(file)
            partial.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file, self._head, self._tail = file, 0, tail

    def close(self) -> None:
        """Let go of the file; it is removed where nothing waits in it."""
        if not self.waiting_bytes:
            self.path.unlink(missing_ok=True)
        os.close(self._file)

    def _reserve(self, file: int) -> None:
        if self._reserve_bytes and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, self._reserve_bytes)


def _made(path: Path) -> int:
    """It appears under its name when it is locked already, so that nobody takes it for one that was left behind."""
    fresh = path.with_name(f"{path.name}.new")
    file = _opened(fresh)
    fresh.rename(path)
    return file


def _opened(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_ino != os.stat(path).st_ino:
            raise SpoolInUse(f"{path} was replaced while it was opened")
    except BlockingIOError:
        os.close(file)
        raise SpoolInUse(f"{path} belongs to a process that lives") from None
    except (OSError, SpoolInUse):
        os.close(file)
        raise
    return file


def _framed(record: bytes) -> bytes:
    return _HEADER.pack(len(record), zlib.crc32(record)) + record


def _write_at(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view = view[written:]
        offset += written


def _records(file: int, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    offset = start
    if end is None:
        end = os.fstat(file).st_size
    while offset < end:
        header = os.pread(file, _HEADER.size, offset)
        if len(header) < _HEADER.size:
            return
        length, checksum = _HEADER.unpack(header)
        if not length or offset + _HEADER.size + length > end:
            return
        record = os.pread(file, length, offset + _HEADER.size)
        if zlib.crc32(record) != checksum:
            return
        yield record
        offset += _HEADER.size + length

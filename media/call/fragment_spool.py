"""Batches of fragments that the fragment log did not take, on disk, oldest first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from domain.fragments import Fragment, FragmentBatch
from media.call.shedding import Shedding, is_no_final, is_partial
from media.call.spool_file import SpoolFile
from media.call.spool_records import decode_batch, encode_batch

_log = logging.getLogger(__name__)

SUFFIX = ".fragments.spool"

_OFFER_BYTES = 1 << 20


class FragmentSpool:
    """One file of one process, made when it is first needed. Everything blocks and belongs into one thread.

    Beyond ``cap_bytes`` the oldest partials go, then the oldest of the rest; finals stay.
    """

    def __init__(self, path: Path, *, cap_bytes: int) -> None:
        self._path = path
        self._cap_bytes = cap_bytes
        self._file: SpoolFile | None = None
        self._offered: list[bytes] = []

    @property
    def empty(self) -> bool:
        return self._file is None or not self._file.waiting_bytes

    def append(self, batches: Sequence[FragmentBatch]) -> None:
        """Durable behind all others when it returns. Raises ``OSError``, and then nothing was added."""
        records = []
        for batch in batches:
            try:
                records.append(encode_batch(batch))
            except Exception:
                # The fragment log could not store it either.
                _log.exception("fragment_spool.batch_refused", extra={"call_id": batch.call_id})
        if self._file is None:
            self._file = SpoolFile(self._path)
        if self._file.size_bytes + sum(map(len, records)) > self._cap_bytes:
            self._make_room(self._file)
        self._file.append(records)

    def first(self) -> list[FragmentBatch]:
        """Some of the oldest batches; ``delivered`` takes them away."""
        if self._file is None:
            return []
        self._offered = self._file.peek(_OFFER_BYTES)
        return [decode_batch(record) for record in self._offered]

    def delivered(self) -> None:
        """What ``first`` gave is in the fragment log."""
        if self._file is not None:
            self._file.advance(self._offered)
        self._offered = []

    def close(self) -> None:
        """What waits stays for whoever starts next."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _make_room(self, file: SpoolFile) -> None:
        """Leave what was delivered behind, and shed down to three quarters of what may be."""
        self._offered = []
        target = self._cap_bytes * 3 // 4
        if file.waiting_bytes <= target:
            file.rewrite(file.waiting())
            return
        for goes in (is_partial, is_no_final):
            file.rewrite(_shed(file, goes, file.waiting_bytes - target))
            if file.waiting_bytes <= target:
                return


def _shed(file: SpoolFile, goes: Callable[[Fragment], bool], excess: int) -> Iterator[bytes]:
    shedding = Shedding(goes, lambda fragment: len(msgspec.msgpack.encode(fragment)), excess)
    return (encode_batch(batch) for batch in shedding.left(decode_batch(record) for record in file.waiting()))

"""Where indexes are kept: a folder on this machine, and as many of the last used ones in memory as fit.

Nothing here is the only copy of anything: what is missing is made again from the stored text.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO, Final

from domain.file.state import TextExtracted
from streams.knowledge.extraction.extractor import Extractor
from streams.knowledge.extraction.job import SEGMENT, Refused
from streams.knowledge.index.segment import FORMAT, Segment, SegmentUnreadable, load

logger = logging.getLogger(__name__)

MEMORY_BYTES: Final = 256 * 1024 * 1024
_HASH_CHARACTERS: Final = 16
_SUFFIX: Final = f".v{FORMAT}.npz"


class IndexUnavailable(Exception):
    """The index of a file cannot be had now; the message says why."""


class Segments:
    """``open_text`` opens a stored text by its location. Usable from one event loop; files are read on threads."""

    def __init__(
        self,
        folder: Path,
        extractor: Extractor,
        open_text: Callable[[str], BinaryIO],
        *,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._extractor = extractor
        self._open_text = open_text
        self._memory_bytes = memory_bytes
        self._held: OrderedDict[str, Segment] = OrderedDict()
        self._guard = threading.Lock()
        self._making: dict[str, asyncio.Lock] = {}

    def path(self, file_id: str, text: TextExtracted) -> Path:
        """Where the index of this text of this file belongs."""
        return self._folder / f"{file_id}-{text.sha256[:_HASH_CHARACTERS]}{_SUFFIX}"

    def keep(self, file_id: str, text: TextExtracted, made: Path) -> None:
        """Move a finished index in. It is complete or absent, also after a crash. Blocking."""
        target = self.path(file_id, text)
        staged = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
        shutil.move(made, staged)
        staged.replace(target)

    async def get(self, file_id: str, text: TextExtracted) -> Segment:
        """The index, made again where it is missing or damaged. Raises ``IndexUnavailable``."""
        name = self.path(file_id, text).name
        if (held := self._from_memory(name)) is not None:
            return held
        lock = self._making.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                return self._from_memory(name) or await self._loaded(file_id, text)
        finally:
            self._making.pop(name, None)

    async def ensure(self, file_id: str, text: TextExtracted) -> None:
        """Have it on the disk, so that the first question need not wait. Raises ``IndexUnavailable``."""
        if not await asyncio.to_thread(self.path(file_id, text).exists):
            await self._make(file_id, text)

    def forget(self, file_id: str) -> None:
        """Delete every index of a file. Blocking."""
        for path in self._folder.glob(f"{file_id}-*.npz"):
            path.unlink(missing_ok=True)
            with self._guard:
                self._held.pop(path.name, None)

    def sweep(self, kept: Collection[Path]) -> int:
        """Delete all but these, such as those of another format; how many there were. Blocking."""
        stale = [path for path in self._folder.glob("*.npz") if path not in kept]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    async def _loaded(self, file_id: str, text: TextExtracted) -> Segment:
        path = self.path(file_id, text)
        try:
            segment = await asyncio.to_thread(load, path)
        except (FileNotFoundError, SegmentUnreadable) as fault:
            if isinstance(fault, SegmentUnreadable):
                logger.warning("knowledge.index_damaged", extra={"file_id": file_id, "reason": str(fault)})
            await self._make(file_id, text)
            try:
                segment = await asyncio.to_thread(load, path)
            except (FileNotFoundError, SegmentUnreadable) as again:
                raise IndexUnavailable(f"its index cannot be read: {again}") from None
        self._hold(path.name, segment)
        return segment

    async def _make(self, file_id: str, text: TextExtracted) -> None:
        try:
            source = await asyncio.to_thread(self._open_text, text.location)
        except OSError:
            raise IndexUnavailable("its stored text is gone") from None
        async with self._extractor.indexed(source) as (outcome, folder):
            if isinstance(outcome, Refused):
                raise IndexUnavailable(f"its index cannot be made: {outcome.reason}")
            await asyncio.to_thread(self.keep, file_id, text, folder / SEGMENT)

    def _from_memory(self, name: str) -> Segment | None:
        with self._guard:
            segment = self._held.get(name)
            if segment is not None:
                self._held.move_to_end(name)
            return segment

    def _hold(self, name: str, segment: Segment) -> None:
        with self._guard:
            self._held[name] = segment
            total = sum(held.size_bytes for held in self._held.values())
            while total > self._memory_bytes and len(self._held) > 1:
                total -= self._held.popitem(last=False)[1].size_bytes

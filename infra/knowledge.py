"""Search over uploads put together: the folder of indexes, the limited process, and who reads new files."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from domain.knowledge.search import Knowledge
from infra.data_folder import Seat
from infra.identifiers import now
from infra.settings import Settings
from infra.storage import Storage
from streams.knowledge.extraction.extractor import Extractor
from streams.knowledge.extraction.limits import Limits
from streams.knowledge.indexer import Indexer
from streams.knowledge.searching import FileSearch
from streams.knowledge.segments import Segments

_MEGABYTE = 1024 * 1024


@contextlib.asynccontextmanager
async def opened_knowledge(
    settings: Settings, seat: Seat, storage: Storage, *, reads: bool
) -> AsyncIterator[Knowledge]:
    """The search of this process. With ``reads`` it also reads the text of what is uploaded, as long as the context
    lasts; without, other processes do, and only indexes that are not on this machine are made here."""
    extractor = Extractor(seat.folder.knowledge / "scratch" / seat.name, limits(settings))
    segments = Segments(seat.folder.knowledge, extractor, storage.artifacts.open)
    indexer = Indexer(
        storage.log,
        storage.log,
        storage.log,
        storage.artifacts,
        extractor,
        segments,
        clock=now,
        shards=storage.shards,
    )
    failed: Exception | None = None
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(indexer.run(), name="knowledge") if reads else None
        try:
            yield FileSearch(storage.log, segments)
        except Exception as error:
            # The group is for what goes wrong in its task; the block's own errors are the block's.
            failed = error
        if reading is not None:
            reading.cancel()
    if failed is not None:
        raise failed


def limits(settings: Settings) -> Limits:
    """What reading one file may take."""
    return Limits(
        cpu_seconds=settings.extraction_seconds,
        wall_seconds=settings.extraction_seconds * 3.0,
        memory_bytes=settings.extraction_memory_mb * _MEGABYTE,
        text_bytes=settings.extracted_text_mb * _MEGABYTE,
    )

"""Reads the text of every upload: what is still to be done stands on the log, so a start goes on where a crash ended.

Several processes may run one over the same log. Whoever records an outcome first has it; the work of the others is lost
and does no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from domain.aggregate import Refused as CommandRefused
from domain.artifacts import ArtifactStore
from domain.file.aggregate import FILE_TEXT
from domain.file.commands import RecordText
from domain.file.events import CONFIGURED, FileTextExtracted, FileTextFailed, FileTextRequested
from domain.file.state import StoredFile, TextExtracted, TextPending
from domain.log.ports import Clock, Commands, Documents, EventLog, LogUnavailable
from domain.log.position import Position
from streams.knowledge.extraction.extractor import Extractor
from streams.knowledge.extraction.job import SEGMENT, TEXT, Refused
from streams.knowledge.segments import IndexUnavailable, Segments

logger = logging.getLogger(__name__)

GONE_AFTER: Final = timedelta(minutes=10)
"""How long bytes that are not in this process's store may still come from another machine's."""

_DELETED: Final = CONFIGURED.deleted.TYPE
_TYPES: Final = frozenset({CONFIGURED.created.TYPE, FileTextRequested.TYPE, _DELETED})
_RETRY_SECONDS: Final = 1.0
_EVERY_FILE: Final = 2**31 - 1


@dataclass(slots=True)
class Counters:
    """``callfold_knowledge_files_total`` by outcome since the start."""

    extracted: int = 0
    failed: int = 0


class Indexer:
    """Run one task of ``run``; cancel it to stop. A file in hand is then left for the next start."""

    def __init__(
        self,
        commands: Commands,
        documents: Documents,
        log: EventLog,
        artifacts: ArtifactStore,
        extractor: Extractor,
        segments: Segments,
        *,
        clock: Clock,
        shards: Callable[[], Sequence[int]],
    ) -> None:
        self._commands = commands
        self._documents = documents
        self._log = log
        self._artifacts = artifacts
        self._extractor = extractor
        self._segments = segments
        self._clock = clock
        self._shards = shards
        self._waiting: deque[str] = deque()
        self._known: set[str] = set()
        self._arrived = asyncio.Event()
        self.counters = Counters()

    async def run(self) -> None:
        """Do what is left from before, then what comes, for ever."""
        heads = [self._log.head(shard) for shard in self._shards()]
        async with asyncio.TaskGroup() as group:
            for head in heads:
                group.create_task(self._follow(head), name="knowledge-follow")
            group.create_task(self._work(), name="knowledge-work")

    async def _follow(self, after: Position) -> None:
        while True:
            try:
                async for batch in self._log.follow(after, _TYPES):
                    for positioned in batch:
                        after = positioned.position
                        if positioned.recorded.event.TYPE == _DELETED:
                            await asyncio.to_thread(self._segments.forget, positioned.recorded.originator_id)
                        else:
                            self._put(positioned.recorded.originator_id)
            except (LogUnavailable, OSError) as trouble:
                # An index that could not be deleted is swept at the next start.
                logger.warning("knowledge.waits", extra={"reason": str(trouble)})
            await asyncio.sleep(_RETRY_SECONDS)

    async def _work(self) -> None:
        for document in await self._files("processing"):
            self._put(document.id)
        await self._catch_up()
        while True:
            await self._attempt(await self._next())

    async def _catch_up(self) -> None:
        """Have an index of every file whose text is known, and of no other. What waits to be read comes first."""
        kept = set()
        for document in await self._files("done"):
            while self._waiting:
                await self._attempt(await self._next())
            file, text = document.state, document.state.text
            kept.add(self._segments.path(file.id, text))
            try:
                await self._segments.ensure(file.id, text)
            except (IndexUnavailable, OSError) as fault:
                logger.warning("knowledge.not_indexed", extra={"file_id": file.id, "reason": str(fault)})
        kept |= {self._segments.path(document.id, document.state.text) for document in await self._files("done")}
        try:
            stale = await asyncio.to_thread(self._segments.sweep, kept)
        except OSError as fault:
            logger.warning("knowledge.not_swept", extra={"reason": str(fault)})
        else:
            logger.info("knowledge.swept", extra={"indexes": stale})

    async def _attempt(self, file_id: str) -> None:
        """Process the file, now or in a while; meanwhile others have their turn."""
        try:
            settled = await self.process(file_id)
        except (LogUnavailable, OSError) as trouble:
            logger.warning("knowledge.waits", extra={"file_id": file_id, "reason": str(trouble)})
            settled = False
        if not settled:
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._put, file_id)

    async def process(self, file_id: str) -> bool:
        """Read one file if that is still to be done; whether nothing is left to do. Raises ``LogUnavailable``."""
        document = self._documents.get("file", file_id)
        if document is None or not isinstance(document.state, StoredFile):
            return True
        file, text = document.state, document.state.text
        if not isinstance(text, TextPending):
            return True
        try:
            source = await asyncio.to_thread(self._artifacts.open, file.config["location"])
        except FileNotFoundError:
            if self._clock() - text.since < GONE_AFTER:
                return False
            await self._record(file, FileTextFailed(attempt=text.attempt, code="lost", reason="Its bytes are gone."))
            return True
        name, media_type = str(file.config.get("originalName", "")), str(file.config.get("mimetype", ""))
        async with self._extractor.extracted(source, name, media_type) as (outcome, folder):
            if isinstance(outcome, Refused):
                failed = FileTextFailed(attempt=text.attempt, code=outcome.code, reason=outcome.reason)
                await self._record(file, failed)
                return True
            stored = await asyncio.to_thread(
                self._artifacts.put, file.id, "text", folder / TEXT, "text/plain; charset=utf-8"
            )
            extracted = FileTextExtracted(
                attempt=text.attempt,
                kind=outcome.kind,
                location=stored.location,
                sha256=stored.sha256,
                size_bytes=stored.size_bytes,
                pages=outcome.pages,
            )
            kept_as = TextExtracted(
                attempt=text.attempt,
                since=text.since,
                kind=outcome.kind,
                location=stored.location,
                sha256=stored.sha256,
                size_bytes=stored.size_bytes,
            )
            # The index first: whoever sees the event may ask at once.
            await asyncio.to_thread(self._segments.keep, file.id, kept_as, folder / SEGMENT)
            if not await self._record(file, extracted) and self._documents.get("file", file_id) is None:
                await asyncio.to_thread(self._artifacts.delete, stored.location)
                await asyncio.to_thread(self._segments.forget, file.id)
        return True

    async def _record(self, file: StoredFile, outcome: FileTextExtracted | FileTextFailed) -> bool:
        try:
            await self._commands.execute(FILE_TEXT, file.id, RecordText(outcome=outcome))
        except CommandRefused:
            # It was deleted, or another process was faster.
            return False
        if isinstance(outcome, FileTextExtracted):
            self.counters.extracted += 1
            logger.info("knowledge.extracted", extra={"file_id": file.id, "kind": outcome.kind})
        else:
            self.counters.failed += 1
            logger.info("knowledge.refused", extra={"file_id": file.id, "code": outcome.code})
        return True

    async def _files(self, status: str) -> list[Any]:
        """Of all organisations, which may be many: read on a thread, and again until the log can be read."""
        every = partial(self._documents.list, "file", status=(status,), limit=_EVERY_FILE, oldest_first=True)
        while True:
            try:
                return await asyncio.to_thread(every)
            except LogUnavailable as unavailable:
                logger.warning("knowledge.waits", extra={"reason": str(unavailable)})
            await asyncio.sleep(_RETRY_SECONDS)

    def _put(self, file_id: str) -> None:
        if file_id not in self._known:
            self._known.add(file_id)
            self._waiting.append(file_id)
            self._arrived.set()

    async def _next(self) -> str:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        file_id = self._waiting.popleft()
        self._known.discard(file_id)
        return file_id

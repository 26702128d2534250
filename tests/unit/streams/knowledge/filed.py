"""A search over a log, a store and a folder of their own, with a reader that runs for as long as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from domain.configuration.commands import CreateConfiguration, DeleteConfiguration
from domain.file.aggregate import FILE
from domain.file.state import Text, TextPending, text_of
from domain.log.position import Position
from media.artifacts.local import LocalArtifactStore
from streams.knowledge.extraction.extractor import Extractor
from streams.knowledge.extraction.limits import Limits
from streams.knowledge.indexer import Indexer
from streams.knowledge.searching import FileSearch
from streams.knowledge.segments import Segments
from streams.log.embedded import EmbeddedLog

ORG = "0f6f6e1c-0000-4000-8000-000000000001"
LIMITS = Limits(cpu_seconds=20, wall_seconds=60.0)


@dataclass
class Installed:
    """What is under test, and ways to use it."""

    folder: Path
    log: EmbeddedLog
    artifacts: LocalArtifactStore
    extractor: Extractor
    segments: Segments
    indexer: Indexer
    knowledge: FileSearch

    async def upload(self, name: str, content: bytes, org_id: str = ORG) -> str:
        """Keep a file as the API does; its id."""
        file_id, sent = str(uuid4()), self.folder / f"sent-{uuid4()}{Path(name).suffix}"
        sent.write_bytes(content)
        stored = self.artifacts.put(file_id, "file", sent, "application/octet-stream")
        config = {
            "name": name,
            "originalName": name,
            "bytes": len(content),
            "mimetype": "application/octet-stream",
            "location": stored.location,
            "sha256": stored.sha256,
        }
        await self.log.execute(FILE, file_id, CreateConfiguration(org_id=org_id, config=config))
        return file_id

    async def delete(self, file_id: str, org_id: str = ORG) -> None:
        await self.log.execute(FILE, file_id, DeleteConfiguration(org_id=org_id))

    def text(self, file_id: str) -> Text:
        document = self.log.get("file", file_id)
        assert document is not None
        return text_of(document.state)

    async def settled(self, *file_ids: str) -> list[Text]:
        """How the texts of these files came out, once all of them have."""
        async with asyncio.timeout(90):
            async for _ in self.log.follow(Position(0, 0)):
                texts = [self.text(file_id) for file_id in file_ids]
                if not any(isinstance(text, TextPending) for text in texts):
                    return texts
        raise AssertionError("the log was closed")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """With an indexer that runs."""
        task = asyncio.create_task(self.indexer.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def stored_text(self, location: str) -> str:
        with self.artifacts.open(location) as file:
            return file.read().decode()


def install(folder: Path, limits: Limits = LIMITS) -> Installed:
    """Over whatever stands in ``folder``."""

    def clock() -> datetime:
        return datetime.now(UTC)

    log = EmbeddedLog.open(folder / "log.db", clock=clock, new_id=lambda: str(uuid4()))
    artifacts = LocalArtifactStore(folder / "artifacts")
    extractor = Extractor(folder / "scratch", limits, at_once=2)
    segments = Segments(folder / "knowledge", extractor, artifacts.open)
    indexer = Indexer(log, log, log, artifacts, extractor, segments, clock=clock, shards=lambda: (0,))
    return Installed(folder, log, artifacts, extractor, segments, indexer, FileSearch(log, segments))

"""Searching an organisation's files: implements ``domain.knowledge.search.Knowledge``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.file.state import StoredFile, TextExtracted, TextFailed, TextPending
from domain.knowledge.search import MOST_CHARACTERS, MOST_PASSAGES, USUAL_PASSAGES, Found, NotSearched, Passage, Source
from domain.knowledge_base.state import files_of
from domain.log.ports import Documents
from streams.knowledge.index.ranking import rank
from streams.knowledge.index.segment import Segment
from streams.knowledge.segments import IndexUnavailable, Segments

_LONGEST_QUERY = 2_000


class FileSearch:
    """Looks only at what the organisation's own documents name, so nothing of another one can be found."""

    def __init__(self, documents: Documents, segments: Segments) -> None:
        self._documents = documents
        self._segments = segments

    async def search(self, org_id: str, sources: Sequence[Source], query: str, *, limit: int = USUAL_PASSAGES) -> Found:
        """As ``Knowledge.search``."""
        missing: list[NotSearched] = []
        files: list[StoredFile] = []
        segments: list[Segment] = []
        for file, text in self._texts(org_id, sources, missing):
            try:
                segments.append(await self._segments.get(file.id, text))
                files.append(file)
            except IndexUnavailable as fault:
                missing.append(NotSearched(id=file.id, reason=f"{_name(file)} cannot be searched: {fault}"))
        passages = await asyncio.to_thread(
            _passages, files, segments, query[:_LONGEST_QUERY], max(1, min(limit, MOST_PASSAGES))
        )
        return Found(passages=passages, not_searched=tuple(missing))

    def _texts(
        self, org_id: str, sources: Sequence[Source], missing: list[NotSearched]
    ) -> list[tuple[StoredFile, TextExtracted]]:
        """The files with their texts, each once; what has none is added to ``missing``."""
        found = []
        for file_id in self._file_ids(org_id, sources, missing):
            document = self._documents.get("file", file_id, org_id=org_id)
            state = document.state if document is not None else None
            if not isinstance(state, StoredFile):
                missing.append(NotSearched(id=file_id, reason=f"the file {file_id} does not exist"))
                continue
            match state.text:
                case TextExtracted() as text:
                    found.append((state, text))
                case TextPending():
                    missing.append(NotSearched(id=file_id, reason=f"{_name(state)} is still being read"))
                case TextFailed():
                    missing.append(NotSearched(id=file_id, reason=f"{_name(state)} could not be read"))
        return found

    def _file_ids(self, org_id: str, sources: Sequence[Source], missing: list[NotSearched]) -> list[str]:
        ids: list[str] = []
        for source in sources:
            ids += source.file_ids
            if not source.knowledge_base_id:
                continue
            base = self._documents.get("knowledge_base", source.knowledge_base_id, org_id=org_id)
            if base is None:
                reason = f"the knowledge base {source.knowledge_base_id} does not exist"
                missing.append(NotSearched(id=source.knowledge_base_id, reason=reason))
            else:
                ids += [attached.file_id for attached in files_of(base.state)]
        return list(dict.fromkeys(ids))


def _passages(files: Sequence[StoredFile], segments: Sequence[Segment], query: str, limit: int) -> tuple[Passage, ...]:
    passages: list[Passage] = []
    left = MOST_CHARACTERS
    for hit in rank(segments, query, limit):
        segment, file = segments[hit.segment], files[hit.segment]
        text = segment.piece(hit.piece)
        if passages and len(text) > left:
            break
        text = text[:left]
        left -= len(text)
        passages.append(
            Passage(
                text=text,
                file_id=file.id,
                file_name=_name(file),
                number=hit.piece + 1,
                score=round(min(hit.score, 1.0), 4),
                page=segment.page(hit.piece),
                heading=segment.heading(hit.piece),
            )
        )
    return tuple(passages)


def _name(file: StoredFile) -> str:
    return str(file.config.get("originalName") or file.config.get("name") or file.id)

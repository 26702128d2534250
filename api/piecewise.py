"""Long reads in small pieces on the event loop, which calls share with them: between two pieces everybody else's turn
comes.

A thread would not do: it holds the interpreter for longer than a frame of sound may wait, and several of them for a
multiple of that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from time import perf_counter
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from domain.log.ports import Document, Documents

Bounds = tuple[tuple[str, datetime], ...]

PIECE_SECONDS: Final = 0.002
"""How long the loop is held at a time, but for what cannot be divided."""
FIRST_BLOCK: Final = 8
LARGEST_BLOCK: Final = 256
"""Documents that are asked for together. Their number follows how long they take: states may be small or long."""


class Pauses:
    """One long read. Ask it to ``rest`` between any two small steps. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._went_on = clock()

    async def rest(self) -> None:
        """Let others go on, when this has held the loop for a while."""
        if self._clock() - self._went_on >= PIECE_SECONDS:
            await asyncio.sleep(0)
            self._went_on = self._clock()

    async def between(self, steps: Iterable[None]) -> None:
        """Take them, with rests."""
        for _ in steps:
            await self.rest()


async def each_document(
    documents: Documents,
    kind: str,
    *,
    org_id: str,
    limit: int | None = None,
    offset: int = 0,
    oldest_first: bool = False,
    reference: str | None = None,
    created: Bounds = (),
    updated: Bounds = (),
) -> AsyncIterator[Document]:
    """What ``Documents.list`` gives, resting between documents. Whoever takes them may be slow over each.

    Documents that are made or deleted meanwhile may be among them or not; none is left out or given twice for it.
    """
    pauses, block, given, last = Pauses(), FIRST_BLOCK, 0, None
    while limit is None or given < limit:
        wanted = block if limit is None else min(block, limit - given)
        # The block begins with what was last, which tells where to go on.
        asked = wanted + (last is not None)
        bound: Bounds = () if last is None else (("ge" if oldest_first else "le", last.keys.created_at),)
        began = perf_counter()
        found = documents.list(
            kind,
            org_id=org_id,
            limit=asked,
            offset=offset,
            oldest_first=oldest_first,
            reference=reference,
            created=(*created, *bound),
            updated=updated,
        )
        took = perf_counter() - began
        fresh = [document for document in found if last is None or _is_behind(document, last, oldest_first)][:wanted]
        for document in fresh:
            await pauses.rest()
            yield document
        if len(found) < asked:
            return
        # Only documents of the very same time can fill a block without any of them being new.
        offset = 0 if fresh else offset + asked
        last, given = fresh[-1] if fresh else last, given + len(fresh)
        if took < PIECE_SECONDS / 4:
            block = min(2 * block, LARGEST_BLOCK)
        elif took > PIECE_SECONDS:
            block = max(block // 2, 1)


def _is_behind(document: Document, last: Document, oldest_first: bool) -> bool:
    here, there = (document.keys.created_at, document.id), (last.keys.created_at, last.id)
    return here > there if oldest_first else here < there


async def count_documents(documents: Documents, kind: str, **asked: Any) -> int:
    """``Documents.count``, in a thread: the database goes through an index for it, and holds no interpreter."""
    return await run_in_threadpool(documents.count, kind, **asked)

"""Waiting until this node has seen a call that another node has written: for the log to move, never a poll."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.log.ports import Document, Documents, EventLog
from domain.log.position import Position

_BIRTH = frozenset({"call.created"})


async def call_arrived(
    log: EventLog, documents: Documents, call_id: str, *, shards: Sequence[int], within_s: float
) -> Document | None:
    """A call that another node may have created a moment ago, on whichever of ``shards``; ``None`` when it stays away.

    Clients connect to a media node as soon as an API node has answered, which can be before the media node has read
    the call from the log.
    """
    # The heads come first, so that nothing can arrive between the look and the wait unseen.
    heads = [log.head(shard) for shard in shards]
    document = documents.get("call", call_id)
    if document is not None:
        return document
    waits = [asyncio.create_task(_born(log, head, call_id)) for head in heads]
    try:
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return documents.get("call", call_id)


async def _born(log: EventLog, after: Position, call_id: str) -> None:
    async for batch in log.follow(after, _BIRTH):
        if any(positioned.recorded.originator_id == call_id for positioned in batch):
            return

"""Conversations whose call was ended by somebody else: a process that was taken for dead learns it and hangs up.

Only the process that holds a conversation knows its clock, so an end without a time on it came from outside: from the
API where it found nobody to ask. A reaper of another process puts on it when the owner was last heard, and says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

from domain.call.events import CallEnded
from domain.live_calls import CallNotLive, LiveCalls
from domain.log.ports import EventLog, LogUnavailable
from domain.log.position import Position
from media.call.reaper import WORKER_DIED

logger = logging.getLogger(__name__)

_ENDS = frozenset({CallEnded.TYPE})
_RETRY_SECONDS = 1.0


@contextlib.asynccontextmanager
async def hanging_up_disowned(log: EventLog, shards: Sequence[int], calls: LiveCalls) -> AsyncIterator[None]:
    """Hang up such ``calls`` of this process for as long as the context lasts."""
    failed: Exception | None = None
    async with asyncio.TaskGroup() as group:
        following = [group.create_task(_follow(log, log.head(shard), calls), name="disowned") for shard in shards]
        try:
            yield
        except Exception as error:
            # The group is for what goes wrong in its tasks; the block's own errors are the block's.
            failed = error
        for task in following:
            task.cancel()
    if failed is not None:
        raise failed


async def _follow(log: EventLog, after: Position, calls: LiveCalls) -> None:
    async with asyncio.TaskGroup() as hanging_up:
        while True:
            try:
                async for batch in log.follow(after, _ENDS):
                    for positioned in batch:
                        after, event = positioned.position, positioned.recorded.event
                        if isinstance(event, CallEnded) and _is_by_others(event):
                            hanging_up.create_task(_hang_up(calls, positioned.recorded.originator_id, event.reason))
            except LogUnavailable as unavailable:
                logger.warning("disowned.waits", extra={"reason": str(unavailable)})
            await asyncio.sleep(_RETRY_SECONDS)


def _is_by_others(end: CallEnded) -> bool:
    return end.at_ms is None or end.reason == WORKER_DIED


async def _hang_up(calls: LiveCalls, call_id: str, reason: str) -> None:
    with contextlib.suppress(CallNotLive):
        await calls.end(call_id, reason)
        logger.warning("call.disowned", extra={"call_id": call_id, "reason": reason})

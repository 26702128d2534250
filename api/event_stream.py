"""Events of the log as JSON, and a live stream of them as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse

from api.heartbeats import with_heartbeats
from domain.log.ports import EventLog, Positioned
from domain.log.position import Position
from domain.write_only import shown_event

REMEMBERED_ORIGINATORS: Final = 10_000
_COMMENT: Final = b": still here\n\n"


def event_body(positioned: Positioned) -> dict[str, Any]:
    """One event as a client reads it; ``data`` holds its own fields in snake_case, as they stand on the log.

    Only the secrets of configurations are left out: they can be written and never read back, on no path.
    """
    recorded = positioned.recorded
    return {
        "position": str(positioned.position),
        "originatorId": recorded.originator_id,
        "originatorVersion": recorded.originator_version,
        "id": recorded.id,
        "type": recorded.event.TYPE,
        "v": recorded.event.VERSION,
        "time": recorded.time,
        "data": shown_event(recorded.event),
    }


class OrganizationOf:
    """Which organisation an event belongs to. Only the first event of an originator says so; answers are kept."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._known: OrderedDict[str, str] = OrderedDict()

    def __call__(self, positioned: Positioned) -> str:
        """The organisation's id."""
        recorded = positioned.recorded
        originator_id = recorded.originator_id
        known = self._known.get(originator_id)
        if known is None:
            first = recorded if recorded.originator_version == 1 else self._log.history(originator_id)[0].recorded
            # An organisation's own events carry no org_id: their stream is the organisation.
            known = str(getattr(first.event, "org_id", originator_id))
            self._known[originator_id] = known
            if len(self._known) > REMEMBERED_ORIGINATORS:
                self._known.popitem(last=False)
        return known


def requested_start(request: Request, after: str | None, shard: int) -> Position:
    """Where a stream begins: ``Last-Event-ID`` of a reconnecting client, or ``after``, or the beginning of ``shard``.

    Raises ``ValueError`` that shows the expected form.
    """
    return Position.parse(request.headers.get("last-event-id") or after or f"{shard}:0")


def stream_events(
    log: EventLog,
    after: Position,
    *,
    types: frozenset[str] | None,
    wanted: Callable[[Positioned], bool],
    heartbeat_seconds: float,
    closing: asyncio.Event,
) -> StreamingResponse:
    """Events from ``after`` on, until ``closing``; each carries its position as event id, so clients can resume."""
    return StreamingResponse(
        _frames(log, after, types, wanted, heartbeat_seconds, closing),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _frames(
    log: EventLog,
    after: Position,
    types: frozenset[str] | None,
    wanted: Callable[[Positioned], bool],
    heartbeat_seconds: float,
    closing: asyncio.Event,
) -> AsyncIterator[bytes]:
    following = with_heartbeats(log.follow(after, types), every_s=heartbeat_seconds, closing=closing)
    async with aclosing(following) as batches:
        async for batch in batches:
            frames = None if batch is None else [_frame(positioned) for positioned in batch if wanted(positioned)]
            if frames is None:
                yield _COMMENT
            elif frames:
                yield b"".join(frames)


def _frame(positioned: Positioned) -> bytes:
    data = msgspec.json.encode(event_body(positioned))
    head = f"id: {positioned.position}\nevent: {positioned.recorded.event.TYPE}\ndata: "
    return head.encode() + data + b"\n\n"

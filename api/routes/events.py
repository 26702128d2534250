"""The log itself, as far as it concerns the caller's organisation: a call's history, and everything as it happens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.context import ApiContext
from api.documentation import describe
from api.errors import Issue, Problem, invalid, not_found
from api.event_stream import OrganizationOf, event_body, requested_start, stream_events
from api.models.filters import AfterQuery, FragmentQuery, Query, parse_query
from api.responses import json_response
from api.sections import Section
from domain.log.position import Position


def event_routes(context: ApiContext) -> APIRouter:
    """``/call/{id}/events``, ``/call/{id}/fragments`` and ``/event``."""
    router = Section(tags=["Events"])
    dependencies = context.dependencies
    log = dependencies.log
    organization_of = OrganizationOf(log)

    @router.get("/call/{id}/events", summary="The history of a call", **describe(answer="Event", listed="array"))
    async def history(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        parse_query(request, Query)
        if dependencies.documents.get("call", id, org_id=principal.org_id) is None:
            raise not_found("Call", id)
        return json_response(
            [event_body(positioned) for positioned in log.history(id)], position=context.seen(principal)
        )

    @router.get(
        "/call/{id}/fragments",
        summary="The media facts of a call",
        **describe(query=FragmentQuery, answer="Fragment", listed="array"),
    )
    async def fragments(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        query = parse_query(request, FragmentQuery)
        if dependencies.documents.get("call", id, org_id=principal.org_id) is None:
            raise not_found("Call", id)
        if dependencies.fragments is None:
            raise Problem(501, "This node keeps no media facts.", detail="Ask a node that runs calls.")
        read = partial(dependencies.fragments.read, id, source=query.source, types=query.type_names() or ())
        return json_response(await run_in_threadpool(read))

    @router.get(
        "/event",
        summary="A live stream of the organization's events",
        **describe(query=AfterQuery, media="text/event-stream"),
    )
    async def stream(request: Request) -> Response:
        principal = await context.caller(request)
        query = parse_query(request, AfterQuery)
        return stream_events(
            log,
            start_of(request, query, (principal.shard,)),
            types=query.type_names(),
            wanted=lambda positioned: organization_of(positioned) == principal.org_id,
            heartbeat_seconds=dependencies.settings.limits.heartbeat_seconds,
            closing=context.closing,
        )

    return router


def start_of(request: Request, query: AfterQuery, shards: Sequence[int]) -> Position:
    """Where the caller wants to begin, in one of ``shards``: of the first unless it says so. Raises ``Problem`` 400."""
    try:
        start = requested_start(request, query.after, shards[0])
    except ValueError as fault:
        raise invalid([Issue("INVALID_FORMAT", f"after is wrong: {fault}", "/query/after")]) from None
    if start.shard not in shards:
        there = ", ".join(map(str, shards))
        raise invalid([Issue("INVALID_VALUE", f"after is in shard {start.shard}, and not in {there}", "/query/after")])
    return start

"""``GET /live``: what an organisation's calls are doing right now, by the minute."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.context import ApiContext
from api.documentation import describe
from api.errors import Problem
from api.models.filters import parse_query
from api.models.live_figures import LiveAnswer, LiveQuery, answer_schema
from api.responses import json_response
from api.sections import Section


def live_figure_routes(context: ApiContext) -> APIRouter:
    """Figures that another process keeps are a second or so behind; ``eventsBehind`` says by how much."""
    router = Section(tags=["Analytics"])
    dependencies = context.dependencies
    described = describe(query=LiveQuery)
    described["responses"][200] = {
        "description": "Active calls, calls and minutes by the minute, and quantiles (ms) of each stage of a turn.",
        "content": {"application/json": {"schema": answer_schema()}},
    }

    @router.get("/live", summary="What calls are doing right now", **described)
    async def live(request: Request) -> Response:
        principal = await context.caller(request)
        query = parse_query(request, LiveQuery)
        figures = dependencies.live_figures
        if figures is None:
            raise Problem(501, "This node keeps no live figures.", detail="Ask a node that serves the API.")
        head, reached = context.seen(principal), figures.reached().get(principal.shard)
        if reached is None:
            raise Problem(
                503,
                f"Nobody has counted the events of shard {principal.shard} yet.",
                detail="Start `callfold stream`, or try again in a moment.",
                code="NOT_CAUGHT_UP",
                headers={"retry-after": "1"},
            )
        report = await asyncio.to_thread(figures.report, principal.org_id, dependencies.clock(), query.minutes)
        behind = max(head.ordinal - reached.ordinal, 0)
        return json_response(LiveAnswer(str(reached), behind, report), position=head)

    return router

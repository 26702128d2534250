"""What is answered from the ClickHouse projections: ``POST /analytics``, insights, and the default board."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import check
from api.context import ApiContext
from api.documentation import describe
from api.models.analytics import AnalyticsBody
from api.responses import json_response
from api.routes.boards import board_routes
from api.routes.insights import insight_routes


def analytics_routes(context: ApiContext) -> APIRouter:
    """Figures over calls: one answer per query, in the order of the request; insights; the default board."""
    router = APIRouter(tags=["Analytics"])

    @router.post(
        "/analytics",
        summary="Aggregate over calls",
        **describe(body=AnalyticsBody, answer="AnalyticsResult", listed="array"),
    )
    async def query(request: Request) -> Response:
        principal = await context.caller(request)
        body = await context.body(request)
        check(AnalyticsBody, body)
        queries: list[dict[str, Any]] = body["queries"]
        return json_response(await context.dependencies.analytics.run(principal.org_id, queries))

    questions = APIRouter()
    for part in (router, insight_routes(context), board_routes(context)):
        questions.include_router(part)
    return questions

"""``POST /analytics``: what is answered from the ClickHouse projections."""

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
from api.sections import Section


def analytics_routes(context: ApiContext) -> APIRouter:
    """Figures over calls: one answer per query, in the order of the request."""
    router = Section(tags=["Analytics"])

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

    return router

"""What can be done with insights besides keeping them: asking them, stored or not."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.configuration.changes import check_new, check_whole
from api.context import ApiContext
from api.documentation import describe
from api.errors import not_found
from api.models.insight import InsightBody, InsightRunBody
from api.resources.insights import INSIGHTS
from api.responses import json_response
from api.sections import Section
from domain.analytics import InsightAsked
from domain.wire_time import iso_ms


def insight_routes(context: ApiContext) -> APIRouter:
    """Preview and run. Creating, listing and changing insights is what every configuration resource can do."""
    router = Section(tags=[INSIGHTS.tag])
    dependencies = context.dependencies

    async def answered(principal: Principal, insight_id: str, asked: InsightAsked) -> Response:
        answer = await dependencies.analytics.insight(principal.org_id, asked)
        now = iso_ms(dependencies.clock())
        body: dict[str, Any] = {
            "id": dependencies.new_id(),
            "insightId": insight_id,
            "orgId": principal.org_id,
            "createdAt": now,
            "updatedAt": now,
            **answer,
        }
        return json_response(body, position=context.seen(principal))

    @router.post(f"{INSIGHTS.path}/preview", summary="Ask an insight without keeping it", **describe(body=InsightBody))
    async def preview(request: Request) -> Response:
        principal = await context.caller(request)
        body = await context.body(request)
        check_new(INSIGHTS, body)
        check_whole(INSIGHTS, body)
        return await answered(principal, dependencies.new_id(), InsightAsked(config=body))

    @router.post(f"{INSIGHTS.path}/{{id}}/run", summary="Ask an insight", **describe(body=InsightRunBody))
    async def run(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        body = await context.body(request, required=False)
        check(InsightRunBody, body)
        document = dependencies.documents.get(INSIGHTS.kind, id, org_id=principal.org_id)
        if document is None:
            raise not_found(INSIGHTS.label, id)
        asked = InsightAsked(
            config=document.state.config,
            time_range=body.get("timeRangeOverride"),
            assistant_id=body.get("assistantId"),
            format=(body.get("formatPlan") or {}).get("format") or "raw",
        )
        return await answered(principal, id, asked)

    return router

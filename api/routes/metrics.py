"""``GET /metrics``: this process, the log and its readers, and live figures, for Prometheus."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import authenticate_operator
from api.context import ApiContext
from api.documentation import describe
from api.errors import Problem
from api.sections import Section

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def metrics_routes(context: ApiContext) -> APIRouter:
    """Open to the operator's token, and to the one that is configured for whoever scrapes."""
    router = Section(tags=["Operator"])
    dependencies, settings = context.dependencies, context.dependencies.settings
    described: dict[str, Any] = describe()
    described["responses"][200] = {
        "description": "Prometheus's text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }

    @router.get("/metrics", summary="Figures for Prometheus", **described)
    async def metrics(request: Request) -> Response:
        authorization = request.headers.get("authorization")
        try:
            authenticate_operator(settings.metrics_token, authorization)
        except Problem:
            authenticate_operator(settings.operator_token, authorization)
        if dependencies.metrics is None:
            raise Problem(501, "This node has no metrics.", detail="Ask a node that serves the API.")
        return Response(await asyncio.to_thread(dependencies.metrics), media_type=CONTENT_TYPE)

    return router

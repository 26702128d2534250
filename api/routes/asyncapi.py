"""``GET /asyncapi.json``: sockets, server messages and topics, as OpenAPI describes the requests."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.context import ApiContext
from api.responses import json_response
from api.sections import Section
from domain.server_messages.asyncapi import document


def asyncapi_routes(context: ApiContext) -> APIRouter:
    """The document is made at the first request and kept: it changes with the build only."""
    router = Section()
    settings = context.dependencies.settings
    kept: list[Response] = []

    @router.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi(request: Request) -> Response:
        if not kept:
            kept.append(json_response(document(settings.version, settings.media_base_url())))
        return kept[0]

    return router

"""Is it alive, and does it take work: for load balancers and for people in a hurry."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.context import ApiContext
from api.documentation import describe
from api.responses import json_response
from api.sections import Section


def health_routes(context: ApiContext) -> APIRouter:
    """``/health/live`` says that the process answers, ``/health/ready`` whether it takes new work (else 503)."""
    router = Section(tags=["Health"])
    dependencies = context.dependencies

    @router.get("/health/live", summary="Is the process alive", **describe(answer="Health"))
    async def live() -> Response:
        return json_response({"status": "live", "version": dependencies.settings.version})

    @router.get("/health/ready", summary="Does it take new work", **describe(answer="Health"))
    async def ready() -> Response:
        return _readiness()

    @router.get("/health", summary="The same as /health/ready", **describe(answer="Health"))
    async def health() -> Response:
        return _readiness()

    @router.get("/", include_in_schema=False)
    async def root() -> Response:
        return RedirectResponse("/docs", status_code=302)

    def _readiness() -> Response:
        taken, reason = dependencies.health()
        answer = {
            "status": "ready" if taken else "not-ready",
            "reason": reason,
            "version": dependencies.settings.version,
        }
        return json_response(answer, status=200 if taken else 503)

    return router

"""``POST /assistant/background-sound/validate``: whether calls could play a sound, before an assistant names it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import check
from api.context import ApiContext
from api.documentation import describe
from api.errors import Problem
from api.models.background_sound import BackgroundSoundBody
from api.responses import json_response
from api.sections import Section


def background_sound_routes(context: ApiContext) -> APIRouter:
    """Look at a sound's address. Nothing is stored, and what is found there is an answer, not an error."""
    router = Section(tags=["Assistants"])

    @router.post(
        "/assistant/background-sound/validate",
        summary="Look whether calls could play the sound at a URL",
        **describe(body=BackgroundSoundBody, answer="BackgroundSoundValidation"),
    )
    async def validate(request: Request) -> Response:
        principal = await context.caller(request)
        body = await context.body(request)
        check(BackgroundSoundBody, body)
        looks = context.dependencies.sound_links
        if looks is None:
            raise Problem(501, "This node makes no requests to tenants' addresses.", detail="Ask one that does.")
        found = await looks.look(body["url"])
        answer = {"reason": found.reason, "status": found.status, "contentType": found.content_type}
        told = {name: value for name, value in answer.items() if value is not None}
        return json_response({"valid": found.reason is None, **told}, position=context.seen(principal))

    return router

"""``/call-me``: a page on which a person talks to an assistant or a squad.

``?assistant=`` or ``?squad=`` names it, ``#key=`` the public key."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from api.context import ApiContext
from api.errors import not_found
from api.sections import Section

_PAGE: Final = "call-me.html"
_PARTS: Final = {
    "call-me.css": "text/css; charset=utf-8",
    "call.js": "text/javascript; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "sound.js": "text/javascript; charset=utf-8",
    "transcript.js": "text/javascript; charset=utf-8",
}


def call_page_routes(context: ApiContext) -> APIRouter:
    """The page and its parts. They are the same for everyone and need no key."""
    router = Section(include_in_schema=False)
    folder = files("api.pages")
    contents = {name: folder.joinpath(name).read_bytes() for name in (_PAGE, *_PARTS)}
    settings = context.dependencies.settings

    @router.get("/call-me")
    async def page() -> Response:
        return Response(
            contents[_PAGE],
            media_type="text/html; charset=utf-8",
            headers={
                # Calls may be served under another address than the page.
                "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
                f"connect-src 'self' {settings.media_base_url()}; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                "permissions-policy": "microphone=(self)",
                "referrer-policy": "no-referrer",
                **_ALWAYS,
            },
        )

    @router.get("/call-me/{part}")
    async def part_of_page(part: str) -> Response:
        if part not in _PARTS:
            raise not_found("File", part)
        return Response(contents[part], media_type=_PARTS[part], headers=_ALWAYS)

    return router


_ALWAYS: Final = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}

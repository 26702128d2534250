"""Recordings and logs of a call: a redirect to a signed link that works for a while, and what the link serves.

The links need no key, so that a browser's audio element or another machine can follow them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.byte_ranges import stored_response
from api.call_views import DOWNLOADS, stored_artifact
from api.context import ApiContext
from api.documentation import describe
from api.errors import Problem, not_found, unauthorized
from api.models.filters import Query, parse_query
from api.sections import Section
from domain.call.events import Track
from domain.log.ports import Document
from domain.signing import check_download, download_signature

NEVER_MADE: Final[Mapping[str, str]] = {
    "video-recording": "No video is recorded on calls over a WebSocket.",
    "pcap": "Packets are captured on SIP calls only.",
}
_SUFFIXES: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "application/gzip": "jsonl.gz"}


class LinkQuery(Query):
    """The signed part of a link."""

    expires: int
    signature: str


def download_routes(context: ApiContext) -> APIRouter:
    """``/call/{id}/…-recording``, ``/call/{id}/call-logs`` and the links that they lead to."""
    router = Section(tags=["Calls"])
    dependencies = context.dependencies
    settings = dependencies.settings
    limits = settings.limits

    def find(call_id: str, org_id: str | None) -> Document:
        document = dependencies.documents.get("call", call_id, org_id=org_id)
        if document is None:
            raise not_found("Call", call_id)
        return document

    def redirecting(name: str, track: Track) -> Any:
        async def redirect(request: Request, id: str) -> Response:
            principal = await context.caller(request)
            document = find(id, principal.org_id)
            artifact = stored_artifact(document.state, track)
            if artifact is None:
                raise Problem(
                    404,
                    f"Call {id} has no {name}.",
                    detail="It is there shortly after the call has ended, if the assistant's artifactPlan keeps it.",
                    code="NOT_FOUND",
                )
            link = await run_in_threadpool(dependencies.artifacts.link, artifact.location, limits.download_link_seconds)
            return RedirectResponse(link or _link(id, track), status_code=302, headers={"cache-control": "no-store"})

        return redirect

    def _link(call_id: str, track: Track) -> str:
        expires = int(dependencies.clock().timestamp()) + limits.download_link_seconds
        path = f"/artifact/{call_id}/{track}"
        signature = download_signature(settings.signing_secret, path, expires)
        return f"{settings.base_url()}{path}?expires={expires}&signature={signature}"

    for name, track in DOWNLOADS.items():
        router.add_api_route(
            f"/call/{{id}}/{name}",
            redirecting(name, track),
            methods=["GET"],
            summary=f"Download the {name.replace('-', ' ')}",
            **describe(status=302),
        )

    def never_made(reason: str) -> Any:
        async def refuse(request: Request, id: str) -> Response:
            principal = await context.caller(request)
            find(id, principal.org_id)
            raise Problem(404, reason, detail="Download one of the audio recordings instead.", code="NOT_FOUND")

        return refuse

    for name, reason in NEVER_MADE.items():
        router.add_api_route(f"/call/{{id}}/{name}", never_made(reason), methods=["GET"], include_in_schema=False)

    @router.api_route("/artifact/{call_id}/{track}", methods=["GET", "HEAD"], include_in_schema=False)
    async def serve(request: Request, call_id: str, track: str) -> Response:
        query = parse_query(request, LinkQuery)
        verdict = check_download(
            settings.signing_secret,
            f"/artifact/{call_id}/{track}",
            query.expires,
            query.signature,
            now=int(dependencies.clock().timestamp()),
        )
        if verdict != "valid":
            reason = "has expired" if verdict == "expired" else "was altered"
            raise unauthorized(f"The download link {reason}.", detail="Ask for a new one at /call/{id}/….")
        artifact = stored_artifact(find(call_id, None).state, track)
        if artifact is None:
            raise not_found("Recording", f"{call_id}/{track}")
        suffix = _SUFFIXES.get(artifact.content_type.partition(";")[0], "bin")
        headers = {
            "etag": f'"{artifact.sha256}"',
            "cache-control": "private, max-age=300",
            "content-disposition": f'inline; filename="{call_id}-{track}.{suffix}"',
        }
        opened = partial(dependencies.artifacts.open, artifact.location)
        return await stored_response(
            request, opened, size=artifact.size_bytes, media_type=artifact.content_type, headers=headers
        )

    return router

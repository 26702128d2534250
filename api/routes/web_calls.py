"""Where a browser connects to its call over WebRTC: offer and answer in one exchange (RFC 9429, no trickling).

The token in the path is the credential, as for a call's WebSocket, and works for as long as the call waits for its
caller: once it is claimed or over, nobody else gets in.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import check
from api.catching_up import call_arrived
from api.context import ApiContext
from api.documentation import describe
from api.errors import Problem, conflict, not_found
from api.models.call import SessionOffer
from api.sections import Section
from api.web_offers import answered, fresh, join_seconds
from domain.call.state import Deleted, Ended, Queued
from domain.log.ports import Document
from domain.signing import is_call_token
from domain.web_calls import IceServer, WebCalls


def web_call_routes(context: ApiContext) -> APIRouter:
    """``/{call_id}/{token}/webrtc``: what a call's ``webCallUrl`` names."""
    router = Section(tags=["Calls"])
    dependencies = context.dependencies
    settings = dependencies.settings

    async def waiting(call_id: str, token: str) -> tuple[WebCalls, Document]:
        """Who answers for the call, and the call. Raises ``Problem`` where nobody does."""
        document = None
        if is_call_token(settings.signing_secret, call_id, "webrtc", token):
            document = await call_arrived(
                dependencies.log,
                dependencies.documents,
                call_id,
                shards=dependencies.shards(),
                within_s=settings.limits.position_wait_seconds,
            )
        if document is None or isinstance(document.state, Deleted):
            raise not_found("Call", call_id)
        _require_queued(document)
        if dependencies.web_calls is None:
            raise Problem(
                501, "This process serves no calls.", detail="Connect to one that does (callfold media or callfold up)."
            )
        return dependencies.web_calls, document

    @router.get(
        "/{call_id}/{token}/webrtc",
        summary="What a browser needs to connect to its call",
        **describe(answer="IceServers"),
    )
    async def ice_servers(call_id: str, token: str) -> Response:
        web_calls, _ = await waiting(call_id, token)
        shown = {"iceServers": [_shown(server) for server in web_calls.ice_servers]}
        return fresh(shown)

    @router.post(
        "/{call_id}/{token}/webrtc",
        summary="Connect a browser to its call",
        **describe(body=SessionOffer, answer="SessionAnswer"),
    )
    async def offer(request: Request, call_id: str, token: str) -> Response:
        web_calls, document = await waiting(call_id, token)
        body = await context.body(request)
        check(SessionOffer, body)
        join_s = join_seconds(document.state, dependencies.documents)
        return await answered(web_calls, call_id, body["sdp"], join_s)

    return router


_ONE_OFFER: Final = (
    "A call takes one offer: it is neither negotiated again nor restarted over another network (ICE restart). "
    "Where the connection is lost, create a new call."
)


def _require_queued(document: Document) -> None:
    if isinstance(document.state, Ended):
        raise conflict(
            "call-ended", f"The call has ended with {document.state.end.reason}.", detail="Create a new call."
        )
    if not isinstance(document.state, Queued):
        raise conflict("call-connected", "Another browser holds the call already.", detail=_ONE_OFFER)


def _shown(server: IceServer) -> dict[str, Any]:
    shown: dict[str, Any] = {"urls": [server.url]}
    if server.username:
        shown |= {"username": server.username, "credential": server.credential}
    return shown

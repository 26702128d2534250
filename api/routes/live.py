"""The URLs of a running call: its audio, a stream to listen to, and a place to send control messages to.

The token in the path is the credential. ``monitorPlan`` can additionally ask for one of the organisation's keys, or
switch listening and control off.
"""

from __future__ import annotations

from fastapi import APIRouter, WebSocket
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import bearer
from api.bodies import check
from api.call_sockets import POLICY_VIOLATION, hold_socket
from api.catching_up import call_arrived
from api.context import ApiContext
from api.documentation import describe
from api.errors import WRONG_KEY, Issue, Problem, invalid, not_found, unauthorized
from api.models.control import CONTROL_MESSAGES
from api.monitoring import Kind, is_enabled, monitor_plan, needs_key
from api.responses import json_response
from api.sections import Section
from domain.log.ports import Document
from domain.signing import Purpose, is_call_token


def live_routes(context: ApiContext) -> APIRouter:
    """Transport and listen WebSockets, and the control endpoint."""
    router = Section(tags=["Calls"])
    dependencies = context.dependencies
    settings = dependencies.settings

    async def may_enter(call_id: str, token: str, purpose: Purpose) -> Document | None:
        if not is_call_token(settings.signing_secret, call_id, purpose, token):
            return None
        return await call_arrived(
            dependencies.log,
            dependencies.documents,
            call_id,
            shards=dependencies.shards(),
            within_s=settings.limits.position_wait_seconds,
        )

    def key_opens(authorization: str | None, document: Document) -> bool:
        principal = context.ring.open(bearer(authorization))
        return principal is not None and principal.org_id == document.keys.org_id

    @router.websocket("/{call_id}/{token}/transport")
    async def transport(websocket: WebSocket, call_id: str, token: str) -> None:
        # Accepted first, so that a client can read the reason: a refused handshake shows it nothing but 403.
        await websocket.accept()
        if await may_enter(call_id, token, "transport") is None:
            await websocket.close(POLICY_VIOLATION, "The URL is not valid for this call.")
            return
        await hold_socket(websocket, call_id, dependencies.live_calls.serve, settings.limits.websocket_message_bytes)

    @router.websocket("/{call_id}/{token}/listen")
    async def listen(websocket: WebSocket, call_id: str, token: str) -> None:
        await websocket.accept()
        document = await may_enter(call_id, token, "listen")
        if document is None:
            await websocket.close(POLICY_VIOLATION, "The URL is not valid for this call.")
            return
        try:
            require(document, "listen", websocket.headers.get("authorization"))
        except Problem as problem:
            await websocket.close(POLICY_VIOLATION, problem.message)
            return
        await hold_socket(websocket, call_id, dependencies.live_calls.listen, settings.limits.websocket_message_bytes)

    def require(document: Document, kind: Kind, authorization: str | None) -> None:
        plan = monitor_plan(document.state, dependencies.documents)
        if not is_enabled(plan, kind):
            raise Problem(
                403,
                f"The assistant's monitorPlan.{kind}Enabled is false.",
                detail=f"Set monitorPlan.{kind}Enabled on the assistant before the call is created.",
            )
        if needs_key(plan, kind) and not key_opens(authorization, document):
            raise unauthorized(WRONG_KEY, detail="Send the organization's public key as Authorization: Bearer <key>.")

    @router.post("/{call_id}/{token}/control", summary="Steer a running call", **describe())
    async def control(request: Request, call_id: str, token: str) -> Response:
        document = await may_enter(call_id, token, "control")
        if document is None:
            raise not_found("Call", call_id)
        require(document, "control", request.headers.get("authorization"))
        message = await context.body(request)
        kind = message.get("type")
        if not isinstance(kind, str):
            raise invalid([Issue("FIELD_REQUIRED", "type must be a string", "/body/type")])
        model = CONTROL_MESSAGES.get(kind)
        if model is not None:
            check(model, message)
        await dependencies.live_calls.control(call_id, message)
        return json_response({"success": True})

    return router

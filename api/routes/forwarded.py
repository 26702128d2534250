"""``/internal/calls``: requests about running calls that another process of the installation forwards to their owner.

The credential is a token over the call's id that only holders of the installation's secret can make. What came here is
answered here: nothing is forwarded twice.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import bearer
from api.bodies import check
from api.call_sockets import POLICY_VIOLATION, hold_socket
from api.context import ApiContext
from api.errors import Problem, unauthorized
from api.models.call import ForwardedOffer
from api.models.control import Ending
from api.responses import json_response
from api.sections import Section
from api.web_offers import answered
from domain.live_calls import CallNotLive, LiveCalls
from domain.signing import is_call_token

PREFIX: Final = "/internal/calls"
_FORGED: Final = "The token is not one of this installation."


def forwarded_routes(context: ApiContext) -> APIRouter:
    """Control, ending and listening to the calls that this process serves itself, and offers of browsers to it."""
    router = Section(prefix=PREFIX, include_in_schema=False)
    dependencies = context.dependencies

    def admit(call_id: str, authorization: str | None) -> LiveCalls:
        if not is_call_token(dependencies.settings.signing_secret, call_id, "forward", bearer(authorization)):
            raise unauthorized(_FORGED, detail="Give every process of the installation the same CALLFOLD_SECRET.")
        if dependencies.own_calls is None:
            raise CallNotLive(f"call {call_id}: this process serves no calls")
        return dependencies.own_calls

    @router.post("/{call_id}/control")
    async def control(request: Request, call_id: str) -> Response:
        own = admit(call_id, request.headers.get("authorization"))
        await own.control(call_id, await context.body(request))
        return json_response({"success": True})

    @router.post("/{call_id}/end")
    async def end(request: Request, call_id: str) -> Response:
        own = admit(call_id, request.headers.get("authorization"))
        body = await context.body(request)
        check(Ending, body)
        await own.end(call_id, body["reason"])
        history = await run_in_threadpool(dependencies.log.history, call_id)
        return json_response({"success": True}, position=history[-1].position)

    @router.post("/{call_id}/offer")
    async def offer(request: Request, call_id: str) -> Response:
        admit(call_id, request.headers.get("authorization"))
        body = await context.body(request)
        check(ForwardedOffer, body)
        own = dependencies.own_web_calls
        if own is None:
            raise CallNotLive(f"call {call_id}: this process serves no calls")
        return await answered(own, call_id, body["sdp"], body["joinSeconds"])

    @router.websocket("/{call_id}/listen")
    async def listen(websocket: WebSocket, call_id: str) -> None:
        await websocket.accept()
        try:
            own = admit(call_id, websocket.headers.get("authorization"))
        except Problem as problem:
            await websocket.close(POLICY_VIOLATION, problem.message)
        except CallNotLive:
            await websocket.close(POLICY_VIOLATION, "The call is not running.")
        else:
            await hold_socket(websocket, call_id, own.listen, dependencies.settings.limits.websocket_message_bytes)

    return router

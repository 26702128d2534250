"""``/webhooks``: the delivery log of an organisation, its endpoints, replays, and messages as they happen.

These routes are callfold's own. Under ``/operator/organizations/{organization}/webhooks`` the operator has the same
ones for every organisation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.authentication import authenticate_operator
from api.bodies import check
from api.context import ApiContext
from api.documentation import describe
from api.errors import Problem, not_found
from api.heartbeats import with_heartbeats
from api.models.filters import parse_query
from api.models.webhooks import MessageQuery, Recover
from api.responses import json_response
from api.sections import Section
from domain.log.ports import Document
from domain.webhook.aggregate import ENDPOINT, MOST_REPLAYED
from domain.webhook.commands import DisableEndpoint, EnableEndpoint, EndpointCommand, RequestReplay
from domain.webhook.deliveries import Deliveries, Delivery, Selection, State
from domain.webhook.state import Endpoint
from domain.wire_time import iso_ms

Who = Callable[[Request], Awaitable[str]]


def webhook_routes(context: ApiContext) -> APIRouter:
    """For organisations."""

    async def who(request: Request) -> str:
        return (await context.caller(request)).org_id

    return _routes(context, "/webhooks", who, shown=True)


def operator_webhook_routes(context: ApiContext) -> APIRouter:
    """For the operator."""
    token = context.dependencies.settings.operator_token

    async def who(request: Request) -> str:
        authenticate_operator(token, request.headers.get("authorization"))
        return str(request.path_params["organization"])

    return _routes(context, "/operator/organizations/{organization}/webhooks", who, shown=False)


def _routes(context: ApiContext, prefix: str, who: Who, *, shown: bool) -> APIRouter:
    router = Section(prefix=prefix, tags=["Webhooks"], include_in_schema=shown)
    dependencies = context.dependencies

    def deliveries() -> Deliveries:
        if dependencies.deliveries is None:
            raise Problem(
                501, "Messages are kept by running processes only.", detail="Start `callfold up` or `callfold api`."
            )
        return dependencies.deliveries

    def endpoint_of(org_id: str, id: str) -> Document:
        found = dependencies.documents.get(ENDPOINT.kind, id, org_id=org_id)
        if found is None:
            raise not_found("endpoint", id)
        return found

    async def command(id: str, command: EndpointCommand) -> Endpoint:
        state, _ = await dependencies.commands.execute(ENDPOINT, id, command)
        return state

    @router.get("/messages", summary="List messages", **_described(query=MessageQuery))
    async def messages(request: Request) -> Response:
        org_id = await who(request)
        query = parse_query(request, MessageQuery)
        found = await asyncio.to_thread(deliveries().list, org_id, query.selection(), query.limit)
        return json_response([message_body(delivery) for delivery in found])

    @router.get("/messages/{id}", summary="Get a message with its attempts", **_described())
    async def message(request: Request, id: str) -> Response:
        org_id = await who(request)
        found = await asyncio.to_thread(deliveries().get, org_id, id)
        if found is None:
            raise not_found("message", id)
        attempts = [
            {
                "attempt": attempt.attempt,
                "at": _iso(attempt.at_ms),
                "totalMs": attempt.total_ms,
                "outcome": attempt.failure or "success",
                "status": attempt.status,
                "detail": attempt.detail,
            }
            for attempt in found.attempts
        ]
        return json_response(
            {**message_body(found.delivery), "attemptLog": attempts, "body": msgspec.json.decode(found.body)}
        )

    @router.post("/messages/{id}/replay", summary="Send a message again", **_described(202))
    async def replay(request: Request, id: str) -> Response:
        org_id = await who(request)
        found = await asyncio.to_thread(deliveries().get, org_id, id)
        if found is None:
            raise not_found("message", id)
        await command(found.delivery.endpoint_id, RequestReplay(org_id=org_id, message_ids=(id,), kind="manual"))
        return json_response({"id": id, "replayed": True}, status=202)

    @router.get("/endpoints", summary="List endpoints", **_described())
    async def endpoints(request: Request) -> Response:
        org_id = await who(request)
        found = dependencies.documents.list(ENDPOINT.kind, org_id=org_id, limit=1000)
        return json_response([endpoint_body(document.state) for document in found])

    @router.get("/endpoints/{id}", summary="Get an endpoint with its signing secret", **_described())
    async def endpoint(request: Request, id: str) -> Response:
        org_id = await who(request)
        state = endpoint_of(org_id, id).state
        return json_response({**endpoint_body(state), "signingSecret": deliveries().signing_key(id)})

    @router.post("/endpoints/{id}/disable", summary="Send nothing there", **_described())
    async def disable(request: Request, id: str) -> Response:
        org_id = await who(request)
        endpoint_of(org_id, id)
        return json_response(endpoint_body(await command(id, DisableEndpoint(org_id=org_id))))

    @router.post("/endpoints/{id}/enable", summary="Go on, beginning with what was held", **_described())
    async def enable(request: Request, id: str) -> Response:
        org_id = await who(request)
        endpoint_of(org_id, id)
        return json_response(endpoint_body(await command(id, EnableEndpoint(org_id=org_id))))

    @router.post("/endpoints/{id}/recover", summary="Send many messages again", **_described(202))
    async def recover(request: Request, id: str) -> Response:
        org_id = await who(request)
        endpoint_of(org_id, id)
        body = await context.body(request, required=False)
        check(Recover, body)
        asked = Recover.model_validate(body)
        states: tuple[State, ...] = ("dead", "stale") if asked.which == "dead" else ("dead", "stale", "delivered")
        chosen = Selection(
            states=states, endpoint_id=id, since_ms=_ms(asked.since, 0), until_ms=_ms(asked.until, 1 << 62)
        )
        found = await asyncio.to_thread(deliveries().list, org_id, chosen, MOST_REPLAYED)
        if found and not asked.dry_run:
            ids = tuple(delivery.id for delivery in reversed(found))
            await command(id, RequestReplay(org_id=org_id, message_ids=ids, kind="recover"))
        return json_response({"endpointId": id, "messages": len(found), "dryRun": asked.dry_run}, status=202)

    @router.get("/stream", summary="Messages as they happen, a line of JSON each", **_described())
    async def stream(request: Request) -> Response:
        org_id = await who(request)
        lines = _lines(deliveries(), org_id, context.closing, dependencies.settings.limits.heartbeat_seconds)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return router


def message_body(delivery: Delivery) -> dict[str, Any]:
    """A message as the delivery log shows it."""
    return {
        "id": delivery.id,
        "number": delivery.number,
        "type": delivery.type,
        "state": delivery.state,
        "endpointId": delivery.endpoint_id,
        "origin": delivery.origin,
        "callId": delivery.about,
        "sequence": delivery.sequence,
        "eventId": delivery.event_id,
        "happenedAt": _iso(delivery.happened_ms),
        "attempts": delivery.attempts,
        "nextAttemptAt": _iso(delivery.due_ms) if delivery.state == "pending" else None,
        "failure": delivery.failure or None,
        "status": delivery.status,
        "detail": delivery.detail or None,
    }


def endpoint_body(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as it stands."""
    return {
        "id": endpoint.id,
        "orgId": endpoint.org_id,
        "origin": endpoint.origin,
        "status": "disabled" if endpoint.disabled else "enabled",
        "disabledBecause": endpoint.disabled or None,
        "failingSince": iso_ms(endpoint.failing_since) if endpoint.failing_since else None,
        "delivered": endpoint.delivered,
        "exhausted": endpoint.exhausted,
        "createdAt": iso_ms(endpoint.created_at),
        "updatedAt": iso_ms(endpoint.updated_at),
    }


async def _lines(
    deliveries: Deliveries, org_id: str, closing: asyncio.Event, heartbeat_s: float
) -> AsyncIterator[bytes]:
    # The first line says that nothing is missed from here on.
    first = msgspec.json.encode({"signingSecret": deliveries.listening_key(org_id)})
    listening = with_heartbeats(deliveries.listen(org_id), every_s=heartbeat_s, closing=closing)
    async with aclosing(listening) as told:
        async for one in told:
            if one is None:
                line, first = first, b""
            else:
                line = msgspec.json.encode({"headers": one.headers, "body": one.body.decode()})
            yield line + b"\n"


def _described(status: int = 200, **more: Any) -> dict[str, Any]:
    described = describe(status=status, **more)
    described["responses"][status] = {
        "description": "As the description says.",
        "content": {"application/json": {"schema": {}}},
    }
    return described


def _iso(ms: int) -> str:
    return iso_ms(datetime.fromtimestamp(ms / 1000, UTC))


def _ms(moment: datetime | None, default: int) -> int:
    return default if moment is None else round(moment.timestamp() * 1000)

"""``/call``: conversations, from their request to what is left of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.call_removal import CallRemoval
from api.call_rules import WEBRTC, connected_call
from api.call_slots import LIMIT_REACHED, CallSlots
from api.call_views import CallViews
from api.context import ApiContext
from api.creation import create_once
from api.documentation import describe
from api.errors import Problem, not_found
from api.idempotency import creation_ids
from api.models.call import CallBody, CallChanges, CallDeletion, WebCallBody
from api.models.filters import CallFilters, PastQuery, parse_query
from api.piecewise import each_document
from api.preconditions import expected_version, only_version
from api.responses import json_bytes, json_response, list_response
from api.restrictions import check_target
from api.sections import Section
from api.short_forms import full_call, full_web_call
from api.time_travel import present_or_past
from domain.call.aggregate import CALL
from domain.call.commands import CreateCall, ExpireCall, RenameCall
from domain.call.state import Call
from domain.log.ports import Appended, Document, Documents, Step
from domain.session.aggregate import CONVERSATIONS, JoinConversation
from domain.traffic.aggregate import traffic_id
from domain.traffic.choice import version_for
from domain.wire_time import iso_ms


def call_routes(context: ApiContext) -> APIRouter:
    """Create, list, read, rename and delete calls."""
    router = Section(tags=["Calls"])
    commands, documents = context.dependencies.commands, context.dependencies.documents
    removal = CallRemoval(context)
    slots = CallSlots(documents, context.dependencies.clock)
    views = CallViews(context.dependencies.settings, documents)

    def find(principal: Principal, call_id: str) -> Document:
        document = documents.get("call", call_id, org_id=principal.org_id)
        if document is None:
            raise not_found("Call", call_id)
        return document

    @router.post("/call", summary="Start a call", **describe(body=CallBody, status=201, answer="Call"))
    async def create(request: Request) -> Response:
        principal = await context.caller(request)
        body = await context.body(request)
        return await _start(request, principal, full_call(body, documents, principal.org_id), CallBody)

    @router.post(
        "/call/phone",
        summary="Start a call, as older clients do",
        deprecated=True,
        **describe(body=CallBody, status=201, answer="Call"),
    )
    async def create_phone_call(request: Request) -> Response:
        return await create(request)

    @router.post(
        "/call/web",
        summary="Start a call from a browser, with a public key",
        **describe(body=WebCallBody, status=201, answer="Call"),
    )
    async def create_web_call(request: Request) -> Response:
        principal = await context.caller(request, "public")
        body = full_web_call(await context.body(request))
        check(WebCallBody, body)
        check_target(principal, body)
        if body.get("transport") is None:
            body = {**body, "transport": {"provider": WEBRTC}}
        return await _start(request, principal, body, WebCallBody)

    async def _start(request: Request, principal: Principal, body: dict[str, Any], model: type[BaseModel]) -> Response:
        ids = creation_ids(request, principal.org_id, context.dependencies.new_call_id)
        check(model, body)
        kept = context.sealed(principal, body)

        def command() -> CreateCall:
            _require_ready(context)
            wanted = connected_call(body, documents, principal.org_id)
            version = _allocated(documents, principal, body, ids.object_id)
            return CreateCall(
                org_id=principal.org_id,
                type=wanted.type,
                request=kept,
                transport=wanted.transport,
                assistant_id=wanted.assistant_id,
                assistant_version=version,
                name=body.get("name"),
            )

        own = principal.limits.concurrent_calls
        limit = context.dependencies.settings.limits.organization_calls if own is None else own
        with slots.taken(principal.org_id, limit, ids.object_id) as slot:

            async def settle(state: Call, appended: Appended) -> tuple[Call, Appended]:
                if not slot.blocked:
                    return state, appended
                return await commands.execute(CALL, ids.object_id, ExpireCall(reason=LIMIT_REACHED))

            return await create_once(
                context,
                principal,
                CALL,
                ids,
                sent=kept,
                sent_as="request",
                command=command,
                body=lambda state: {**views.body(state), "subscriptionLimits": slot.body(state)},
                beside=_joining(body, ids.object_id, principal),
                then=settle,
            )

    def _joining(body: dict[str, Any], call_id: str, principal: Principal) -> tuple[Step, ...]:
        """The call's place in the session that it names."""
        if body.get("sessionId") is None:
            return ()
        began_at = context.dependencies.clock()
        joining = JoinConversation(org_id=principal.org_id, kind="call", conversation_id=call_id, began_at=began_at)
        return (Step(CONVERSATIONS, body["sessionId"], joining),)

    @router.get(
        "/call", summary="List calls, newest first", **describe(query=CallFilters, answer="Call", listed="array")
    )
    async def listing(request: Request) -> Response:
        principal = await context.caller(request)
        filters = parse_query(request, CallFilters)
        shown = [json_bytes(views.body(document.state)) async for document in _matching(principal, filters)]
        return list_response(shown, None, position=context.seen(principal))

    async def _matching(principal: Principal, filters: CallFilters) -> AsyncIterator[Document]:
        if filters.phone_number_id is not None or filters.limit == 0:
            return
        if filters.id is not None:
            document = documents.get("call", filters.id, org_id=principal.org_id)
            wanted = (
                document is not None
                and filters.admit(document.keys)
                and filters.assistant_id in (None, document.keys.reference)
            )
            if document is not None and wanted:
                yield document
            return
        async for found in each_document(
            documents,
            "call",
            org_id=principal.org_id,
            limit=filters.limit,
            reference=filters.assistant_id,
            created=filters.created(),
            updated=filters.updated(),
        ):
            yield found

    @router.get("/call/{id}", summary="Get a call, now or as it was", **describe(query=PastQuery, answer="Call"))
    async def read(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        state = present_or_past(context, request, CALL, id, principal, "Call")
        return json_response(views.body(state), position=context.seen(principal), version=state.version)

    @router.patch("/call/{id}", summary="Rename a call", **describe(body=CallChanges, answer="Call"))
    async def rename(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        aggregate = only_version(CALL, expected_version(request))
        body = await context.body(request)
        document = find(principal, id)
        check(CallChanges, body)
        if "name" not in body:
            return json_response(views.body(document.state), position=context.seen(principal), version=document.version)
        command = RenameCall(org_id=principal.org_id, name=body["name"])
        state, appended = await commands.execute(aggregate, id, command)
        return json_response(views.body(state), position=appended.position, version=state.version)

    @router.delete(
        "/call/{id}",
        summary="Delete a call, or those in ids; a running one is ended first",
        **describe(body=CallDeletion, answer="DeletedCalls"),
    )
    async def delete(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        body = await context.body(request, required=False)
        check(CallDeletion, body)
        if body.get("ids"):
            results = await removal.several(principal, body["ids"])
            return json_response(
                _several_deleted(principal, id, results, context.dependencies.clock()), position=context.seen(principal)
            )
        document, appended = await removal.one(principal, id)
        return json_response(views.body(document.state), position=appended.position)

    return router


def _several_deleted(principal: Principal, named: str, results: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """What became of several calls, in the shell of a call, which clients expect whatever they have deleted."""
    deleted = sum(result["status"] == "deleted" for result in results)
    return {
        "id": named,
        "orgId": principal.org_id,
        "createdAt": iso_ms(now),
        "updatedAt": iso_ms(now),
        "message": f"{deleted} of {len(results)} calls were deleted.",
        "results": results,
    }


def _allocated(documents: Documents, principal: Principal, body: dict[str, Any], call_id: str) -> str | None:
    """The version that the assistant's traffic allocation gives to a call that names none itself."""
    if body.get("assistantId") is None or body.get("assistantVersion") is not None:
        return None
    document = documents.get("traffic", traffic_id(body["assistantId"]), org_id=principal.org_id)
    return None if document is None else version_for(document.state.current, call_id)


def _require_ready(context: ApiContext) -> None:
    ready, reason = context.dependencies.readiness()
    if not ready:
        raise Problem(
            503,
            f"No new calls are taken: {reason}.",
            detail="Try again in a moment.",
            code="NOT_READY",
            headers={"retry-after": "1"},
        )

"""``/call``: conversations, from their request to what is left of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.call_rules import WEBSOCKET_CALL, websocket_call
from api.call_views import CallViews
from api.context import ApiContext
from api.documentation import describe
from api.errors import Problem, not_found
from api.idempotency import CreationIds, creation_ids, refuse_other_body
from api.models.call import CallBody, CallChanges, CallDeletion
from api.models.filters import CallFilters, PastQuery, parse_query
from api.preconditions import expected_version, only_version
from api.responses import json_response
from api.time_travel import parse_moment, state_at
from domain.aggregate import Conflicting
from domain.call.aggregate import CALL
from domain.call.commands import CreateCall, DeleteCall, EndCall, RenameCall
from domain.call.state import Live, Ringing
from domain.live_calls import CallNotLive
from domain.log.ports import Document
from domain.log.receipt import CommitIdReused

ENDED_BY_DELETE: Final = "call-deleted"


def call_routes(context: ApiContext) -> APIRouter:
    """Create, list, read, rename and delete calls."""
    router = APIRouter(tags=["Calls"])
    commands, documents = context.dependencies.commands, context.dependencies.documents
    log, live_calls = context.dependencies.log, context.dependencies.live_calls
    views = CallViews(context.dependencies.settings, documents)

    def find(principal: Principal, call_id: str) -> Document:
        document = documents.get("call", call_id, org_id=principal.org_id)
        if document is None:
            raise not_found("Call", call_id)
        return document

    def repeated(ids: CreationIds, principal: Principal, body: object) -> Response | None:
        """The answer to a request that was answered before, if it was."""
        document = documents.get("call", ids.object_id, org_id=principal.org_id) if ids.repeatable else None
        if document is None:
            return None
        refuse_other_body(log, ids.object_id, "request", body)
        return json_response(
            views.body(document.state), status=201, position=context.seen(principal), version=document.version
        )

    @router.post("/call", summary="Start a call", **describe(body=CallBody, status=201))
    async def create(request: Request) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, context.dependencies.new_call_id)
        body = await context.body(request)
        check(CallBody, body)
        if (answer := repeated(ids, principal, body)) is not None:
            return answer
        _require_ready(context)
        wanted = websocket_call(body, documents, principal.org_id)
        command = CreateCall(
            org_id=principal.org_id,
            type=WEBSOCKET_CALL,
            request=body,
            transport=wanted.transport,
            assistant_id=wanted.assistant_id,
            name=body.get("name"),
        )
        try:
            state, appended = await commands.execute(CALL, ids.object_id, command, commit_id=ids.commit_id)
        except (Conflicting, CommitIdReused):
            # Another request with the same key came between our look and our append.
            if (answer := repeated(ids, principal, body)) is not None:
                return answer
            raise
        return json_response(views.body(state), status=201, position=appended.position, version=state.version)

    @router.get("/call", summary="List calls, newest first", **describe(query=CallFilters))
    async def listing(request: Request) -> Response:
        principal = await context.caller(request)
        filters = parse_query(request, CallFilters)
        return json_response(
            [views.body(document.state) for document in _matching(principal, filters)],
            position=context.seen(principal),
        )

    def _matching(principal: Principal, filters: CallFilters) -> list[Document]:
        if filters.phone_number_id is not None or filters.limit == 0:
            return []
        if filters.id is not None:
            document = documents.get("call", filters.id, org_id=principal.org_id)
            wanted = (
                document is not None
                and filters.admit(document.keys)
                and filters.assistant_id in (None, document.keys.reference)
            )
            return [document] if document is not None and wanted else []
        return documents.list(
            "call",
            org_id=principal.org_id,
            limit=filters.limit,
            reference=filters.assistant_id,
            created=filters.created(),
            updated=filters.updated(),
        )

    @router.get("/call/{id}", summary="Get a call, now or as it was", **describe(query=PastQuery))
    async def read(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        query = parse_query(request, PastQuery)
        if query.at is not None:
            state = state_at(log, CALL, id, principal.org_id, parse_moment(query.at))
            if state is None:
                raise not_found("Call", id)
        else:
            state = find(principal, id).state
        return json_response(views.body(state), position=context.seen(principal), version=state.version)

    @router.patch("/call/{id}", summary="Rename a call", **describe(body=CallChanges))
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

    @router.delete("/call/{id}", summary="Delete a call; a running one is ended first", **describe(body=CallDeletion))
    async def delete(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        body = await context.body(request, required=False)
        check(CallDeletion, body)
        if body.get("ids"):
            raise Problem(501, "Deleting several calls at once is not built yet.", detail="Delete them one by one.")
        await _end_if_running(find(principal, id))
        document = find(principal, id)
        _, appended = await commands.execute(CALL, id, DeleteCall(org_id=principal.org_id))
        for artifact in document.state.artifacts:
            await run_in_threadpool(context.dependencies.artifacts.delete, artifact.location)
        return json_response(views.body(document.state), position=appended.position)

    async def _end_if_running(document: Document) -> None:
        if not isinstance(document.state, Ringing | Live):
            return
        try:
            await live_calls.end(document.id, ENDED_BY_DELETE)
        except CallNotLive:
            # No process of ours serves it: its owner has died, or it ended while we looked.
            with suppress(Conflicting):
                await commands.execute(CALL, document.id, EndCall(reason=ENDED_BY_DELETE))

    return router


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

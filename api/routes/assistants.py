"""``/assistant``: the configurations that calls are held with."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.context import ApiContext
from api.documentation import describe
from api.errors import not_found
from api.idempotency import CreationIds, creation_ids, refuse_other_body
from api.models.assistant import AssistantBody
from api.models.filters import ListFilters, PastQuery, parse_query
from api.preconditions import expected_version, only_version
from api.responses import json_response
from api.time_travel import parse_moment, state_at
from domain.aggregate import Conflicting
from domain.assistant.aggregate import ASSISTANT
from domain.assistant.commands import CreateAssistant, DeleteAssistant, UpdateAssistant
from domain.assistant.wire import assistant_body
from domain.log.receipt import CommitIdReused


def assistant_routes(context: ApiContext) -> APIRouter:
    """Create, list, read, change and delete assistants."""
    router = APIRouter(tags=["Assistants"])
    commands, documents = context.dependencies.commands, context.dependencies.documents
    log = context.dependencies.log

    def repeated(ids: CreationIds, principal: Principal, body: object) -> Response | None:
        """The answer to a request that was answered before, if it was."""
        document = documents.get("assistant", ids.object_id, org_id=principal.org_id) if ids.repeatable else None
        if document is None:
            return None
        refuse_other_body(log, ids.object_id, "config", body)
        return json_response(
            assistant_body(document.state), status=201, position=context.seen(principal), version=document.version
        )

    @router.post("/assistant", summary="Create an assistant", **describe(body=AssistantBody, status=201))
    async def create(request: Request) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, context.dependencies.new_id)
        body = await context.body(request)
        check(AssistantBody, body)
        if (answer := repeated(ids, principal, body)) is not None:
            return answer
        command = CreateAssistant(org_id=principal.org_id, config=body)
        try:
            state, appended = await commands.execute(ASSISTANT, ids.object_id, command, commit_id=ids.commit_id)
        except (Conflicting, CommitIdReused):
            # Another request with the same key came between our look and our append.
            if (answer := repeated(ids, principal, body)) is not None:
                return answer
            raise
        return json_response(assistant_body(state), status=201, position=appended.position, version=state.version)

    @router.get("/assistant", summary="List assistants, newest first", **describe(query=ListFilters))
    async def listing(request: Request) -> Response:
        principal = await context.caller(request)
        filters = parse_query(request, ListFilters)
        found = documents.list(
            "assistant",
            org_id=principal.org_id,
            limit=filters.limit,
            created=filters.created(),
            updated=filters.updated(),
        )
        return json_response([assistant_body(document.state) for document in found], position=context.seen(principal))

    @router.get("/assistant/{id}", summary="Get an assistant, now or as it was", **describe(query=PastQuery))
    async def read(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        query = parse_query(request, PastQuery)
        if query.at is not None:
            state = state_at(log, ASSISTANT, id, principal.org_id, parse_moment(query.at))
        else:
            document = documents.get("assistant", id, org_id=principal.org_id)
            state = document.state if document else None
        if state is None:
            raise not_found("Assistant", id)
        return json_response(assistant_body(state), position=context.seen(principal), version=state.version)

    @router.patch("/assistant/{id}", summary="Replace fields of an assistant", **describe(body=AssistantBody))
    async def update(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        aggregate = only_version(ASSISTANT, expected_version(request))
        body = await context.body(request)
        if documents.get("assistant", id, org_id=principal.org_id) is None:
            raise not_found("Assistant", id)
        check(AssistantBody, body)
        command = UpdateAssistant(org_id=principal.org_id, changes=body)
        state, appended = await commands.execute(aggregate, id, command)
        return json_response(assistant_body(state), position=appended.position, version=state.version)

    @router.delete("/assistant/{id}", summary="Delete an assistant", **describe())
    async def delete(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        aggregate = only_version(ASSISTANT, expected_version(request))
        document = documents.get("assistant", id, org_id=principal.org_id)
        if document is None:
            raise not_found("Assistant", id)
        _, appended = await commands.execute(aggregate, id, DeleteAssistant(org_id=principal.org_id))
        return json_response(assistant_body(document.state), position=appended.position)

    return router

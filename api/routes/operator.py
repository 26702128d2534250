"""``/operator``: the whole installation, for its operator and the command line."""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import authenticate_operator
from api.bodies import check
from api.call_views import CallViews
from api.context import ApiContext
from api.dependencies import Maintenance
from api.documentation import describe
from api.errors import Problem, not_found
from api.event_stream import event_body, stream_events
from api.models.filters import OperatorEventQuery, parse_query
from api.models.operator import (
    LIMIT_FIELDS,
    HeldEvents,
    NewOrganization,
    OperatorCallQuery,
    OrganizationLimits,
    OrganizationQuery,
    Rebuild,
    RequestQuery,
    SqlStatement,
)
from api.responses import json_response
from api.routes.events import start_of
from api.sections import Section
from api.stored_secrets import seal_stored
from domain.keys import RANDOM_BYTES
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import SetLimits
from domain.organization.founding import carry_out, found_with
from domain.organization.placement import placement
from domain.organization.state import Organization
from domain.state_hash import state_hash
from domain.wire_time import iso_ms


def operator_routes(context: ApiContext) -> APIRouter:
    """Organisations, calls of all of them, the log, SQL, and maintenance of derived data."""
    router = Section(prefix="/operator", tags=["Operator"])
    dependencies = context.dependencies
    documents, log, settings = dependencies.documents, dependencies.log, dependencies.settings
    views = CallViews(settings, documents)

    def admit(request: Request) -> None:
        authenticate_operator(settings.operator_token, request.headers.get("authorization"))

    def maintenance() -> Maintenance:
        if dependencies.maintenance is None:
            raise Problem(501, "This node keeps no derived data.", detail="Ask a node that runs the projections.")
        return dependencies.maintenance

    async def json_body(request: Request, model: type[Any], *, required: bool = True) -> dict[str, Any]:
        body = await context.body(request, required=required)
        check(model, body)
        return body

    @router.post(
        "/organizations",
        summary="Found an organization",
        **describe(body=NewOrganization, status=201, answer="Organization"),
    )
    async def create_organization(request: Request) -> Response:
        admit(request)
        body = await json_body(request, NewOrganization)
        founding = found_with(
            body["name"],
            new_id=dependencies.new_id,
            secret=settings.signing_secret,
            public_random=dependencies.random_bytes(RANDOM_BYTES),
            shard=placement(documents, dependencies.shards()),
        )
        appended = await carry_out(founding, dependencies.commands)
        answer = {
            "id": founding.organization_id,
            "name": body["name"],
            "privateKey": founding.private_key,
            "publicKey": founding.public_key,
        }
        return json_response(answer, status=201, position=appended.position)

    @router.get(
        "/organizations",
        summary="List organizations, newest first",
        **describe(query=OrganizationQuery, answer="Organization", listed="array"),
    )
    async def organizations(request: Request) -> Response:
        admit(request)
        query = parse_query(request, OrganizationQuery)
        found_documents = documents.list("organization", limit=query.limit, offset=query.offset)
        return json_response([_organization_body(document.state) for document in found_documents], position=log.head())

    @router.patch(
        "/organizations/{id}/limits",
        summary="Bound what an organization may ask for; null leaves it to the settings",
        **describe(body=OrganizationLimits, answer="Organization"),
    )
    async def change_limits(request: Request, id: str) -> Response:
        admit(request)
        body = await json_body(request, OrganizationLimits)
        document = documents.get("organization", id)
        if document is None:
            raise not_found("Organization", id)
        changed = {name: body[wire] for name, wire in LIMIT_FIELDS.items() if wire in body}
        limits = msgspec.structs.replace(document.state.limits, **changed)
        state, appended = await dependencies.commands.execute(ORGANIZATION, id, SetLimits(limits=limits))
        return json_response(_organization_body(state), position=appended.position, version=state.version)

    @router.get(
        "/requests",
        summary="The latest requests to this process, newest first",
        **describe(query=RequestQuery, answer="RequestEntry", listed="array"),
    )
    async def requests(request: Request) -> Response:
        admit(request)
        query = parse_query(request, RequestQuery)
        wanted = (entry.body() for entry in context.requests.newest_first() if query.admits(entry))
        return json_response(list(islice(wanted, query.limit)))

    @router.get(
        "/calls",
        summary="List calls of all organizations",
        **describe(query=OperatorCallQuery, answer="Call", listed="array"),
    )
    async def calls(request: Request) -> Response:
        admit(request)
        query = parse_query(request, OperatorCallQuery)
        found_documents = documents.list("call", limit=query.limit, status=query.statuses())
        return json_response([views.body(document.state) for document in found_documents], position=log.head())

    @router.get("/calls/{id}", summary="Get any call", **describe(answer="Call"))
    async def call(request: Request, id: str) -> Response:
        admit(request)
        document = documents.get("call", id)
        if document is None:
            raise not_found("Call", id)
        return json_response(views.body(document.state), position=log.head(), version=document.version)

    @router.get("/calls/{id}/state", summary="What this node keeps of a call, as a hash", **describe(answer="Report"))
    async def call_state(request: Request, id: str) -> Response:
        admit(request)
        document = documents.get("call", id)
        if document is None:
            raise not_found("Call", id)
        return json_response({"version": document.version, "hash": state_hash(document.state)}, position=log.head())

    @router.get(
        "/events",
        summary="Read the log, or follow it",
        **describe(query=OperatorEventQuery, answer="Event", listed="array"),
    )
    async def events(request: Request) -> Response:
        admit(request)
        query = parse_query(request, OperatorEventQuery)
        after, types, originator = start_of(request, query, dependencies.shards()), query.type_names(), query.originator
        history = await run_in_threadpool(log.history, originator) if originator is not None else ()
        if history and after.ordinal == 0:
            # From the beginning, wherever its events stand.
            after = Position(history[0].position.shard, 0)

        def wanted(positioned: Positioned) -> bool:
            return originator in (None, positioned.recorded.originator_id)

        if query.follow:
            return stream_events(
                log,
                after,
                types=types,
                wanted=wanted,
                heartbeat_seconds=settings.limits.heartbeat_seconds,
                closing=context.closing,
            )
        if originator is not None:
            later = (p for p in history if p.position > after)
            page = [p for p in later if types is None or p.recorded.event.TYPE in types][: query.limit]
        else:
            # Events of a type that is rare are looked for in all of the log.
            page = list(await run_in_threadpool(log.read, after, query.limit, types))
        return json_response([event_body(positioned) for positioned in page], position=log.head(after.shard))

    @router.post("/sql", summary="Run a read-only statement", **describe(body=SqlStatement, answer="SqlResult"))
    async def sql(request: Request) -> Response:
        admit(request)
        body = await json_body(request, SqlStatement)
        org_id = body.get("orgId")
        # Without this a misspelt id would be answered with no rows, as if there were none.
        if org_id is not None and documents.get("organization", org_id) is None:
            raise not_found("Organization", org_id)
        result = await dependencies.analytics.sql(body["statement"], org_id=org_id, limit=body.get("limit", 10_000))
        answer = {
            "columns": result.columns,
            "types": result.types,
            "rows": result.rows,
            "elapsedMs": result.elapsed_ms,
        }
        return json_response(answer)

    @router.post(
        "/secrets/seal",
        summary="Seal what was stored before there was a key",
        description="Configurations in force are written again, sealed; the log keeps what it has.",
        **describe(answer="Report"),
    )
    async def seal_secrets(request: Request) -> Response:
        admit(request)
        counts = await seal_stored(documents, dependencies.commands, dependencies.seal)
        return json_response({"sealed": dict(counts)}, position=log.head())

    @router.get("/status", summary="What this node is doing", **describe(answer="Report"))
    async def status(request: Request) -> Response:
        admit(request)
        ready, reason = dependencies.health()
        answer = {
            "version": settings.version,
            "ready": ready,
            "reason": reason,
            "head": str(log.head()),
            "heads": [str(log.head(shard)) for shard in dependencies.shards()],
            "activeCalls": dependencies.live_calls.active(),
            "publicUrl": settings.base_url(),
            "time": iso_ms(dependencies.clock()),
        }
        return json_response(answer, position=log.head())

    @router.post(
        "/rebuild", summary="Make projections again from position 0", **describe(body=Rebuild, answer="Report")
    )
    async def rebuild(request: Request) -> Response:
        admit(request)
        body = await json_body(request, Rebuild, required=False)
        return json_response(
            await maintenance().rebuild(
                body.get("projection"), body.get("version"), keep_replaced=not body.get("dropOld", False)
            )
        )

    @router.get("/rebuild", summary="How far the rebuild is that runs", **describe(answer="Report"))
    async def rebuild_progress(request: Request) -> Response:
        admit(request)
        return json_response(await maintenance().rebuild_progress())

    @router.get("/tables", summary="How far the tables are behind the log", **describe(answer="Report"))
    async def tables(request: Request) -> Response:
        admit(request)
        return json_response(await maintenance().tables())

    @router.delete("/rebuild", summary="Drop the tables that rebuilds have replaced", **describe(answer="Report"))
    async def drop_replaced(request: Request) -> Response:
        admit(request)
        return json_response(await maintenance().drop_replaced())

    @router.get(
        "/dead-letters", summary="Events that a processor could not take", **describe(answer="Report", listed="array")
    )
    async def dead_letters(request: Request) -> Response:
        admit(request)
        return json_response(await maintenance().dead_letters())

    @router.post("/dead-letters/retry", summary="Try held events again", **describe(body=HeldEvents, answer="Report"))
    async def retry(request: Request) -> Response:
        admit(request)
        body = await json_body(request, HeldEvents)
        return json_response(await maintenance().retry_dead_letters(body["processor"], body["originator"]))

    @router.post("/dead-letters/drop", summary="Give up on held events", **describe(body=HeldEvents, answer="Report"))
    async def drop(request: Request) -> Response:
        admit(request)
        body = await json_body(request, HeldEvents)
        return json_response(await maintenance().drop_dead_letters(body["processor"], body["originator"]))

    return router


def _organization_body(state: Organization) -> dict[str, Any]:
    return {
        "id": state.id,
        "name": state.name,
        "createdAt": iso_ms(state.created_at),
        "keys": [{"id": key.id, "tag": key.tag, "issuedAt": iso_ms(key.issued_at)} for key in state.keys],
        "limits": {wire: getattr(state.limits, name) for name, wire in LIMIT_FIELDS.items()},
    }

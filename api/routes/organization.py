"""``/org``: the organisation itself. Vapi's console uses these paths; they are not in its public document."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import check
from api.context import ApiContext
from api.documentation import describe
from api.errors import not_found
from api.models.filters import Query, parse_query
from api.models.organization import OrganizationChanges
from api.preconditions import expected_version, only_version
from api.responses import json_response
from api.sections import Section
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import Configure
from domain.organization.state import Organization
from domain.wire_time import iso_ms
from domain.write_only import without_secrets


def organization_routes(context: ApiContext) -> APIRouter:
    """Read it, and change its settings."""
    router = Section(tags=["Organization"])
    documents, commands = context.dependencies.documents, context.dependencies.commands

    def existing(org_id: str, id: str) -> Organization:
        document = documents.get("organization", id) if id == org_id else None
        if document is None:
            raise not_found("Organization", id)
        state: Organization = document.state
        return state

    @router.get("/org", summary="List your organizations: the key's own", **describe(answer="Org", listed="array"))
    async def listing(request: Request) -> Response:
        principal = await context.caller(request)
        parse_query(request, Query)
        body = organization_body(existing(principal.org_id, principal.org_id))
        return json_response([body], position=context.seen(principal))

    @router.get("/org/{id}", summary="Get your organization", **describe(answer="Org"))
    async def read(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        state = existing(principal.org_id, id)
        return json_response(organization_body(state), position=context.seen(principal), version=state.version)

    @router.patch(
        "/org/{id}", summary="Change your organization's settings", **describe(body=OrganizationChanges, answer="Org")
    )
    async def change(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        existing(principal.org_id, id)
        body = await context.body(request)
        check(OrganizationChanges, body)
        aggregate = only_version(ORGANIZATION, expected_version(request))
        command = Configure(changes=context.sealed(principal, body), actor=principal.key_id)
        state, appended = await commands.execute(aggregate, id, command)
        return json_response(organization_body(state), position=appended.position, version=state.version)

    return router


def organization_body(state: Organization) -> dict[str, Any]:
    """The organisation as its members see it, without secrets."""
    return {
        **without_secrets(state.config),
        "id": state.id,
        "name": state.name,
        "createdAt": iso_ms(state.created_at),
        "updatedAt": iso_ms(state.updated_at),
    }

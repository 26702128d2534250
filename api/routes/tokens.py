"""``/token``: the organisation's own keys. Vapi's console uses these paths; they are not in its public document.

A key is shown when it is made, and never again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.context import ApiContext
from api.documentation import describe
from api.errors import Issue, Problem, conflict, invalid, not_found
from api.idempotency import CreationIds, creation_ids
from api.models.filters import ListFilters, Query, parse_query
from api.models.token import TokenBody, restrictions_body, restrictions_of
from api.responses import json_response
from api.sections import Section
from domain.aggregate import Conflicting, DocumentKeys
from domain.event import Event
from domain.keys import format_key, hash_key, key_random
from domain.log.receipt import CommitIdReused
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import DescribeKey, IssueKey, OrganizationCommand, RevokeKey
from domain.organization.events import KeyTag
from domain.organization.state import Key, Organization
from domain.wire_time import iso_ms

MOST_KEYS: Final = 100
"""An organisation with more keys than this has lost sight of them."""


def token_routes(context: ApiContext) -> APIRouter:
    """Make, list, read, change and revoke keys."""
    router = Section(tags=["Tokens"])
    dependencies = context.dependencies
    commands, secret = dependencies.commands, dependencies.settings.signing_secret

    def organization(principal: Principal) -> Organization:
        document = dependencies.documents.get("organization", principal.org_id, org_id=principal.org_id)
        if document is None:
            raise not_found("Organization", principal.org_id)
        state: Organization = document.state
        return state

    def existing(principal: Principal, key_id: str) -> Key:
        key = organization(principal).key(key_id)
        if key is None:
            raise not_found("Token", key_id)
        return key

    @router.post("/token", summary="Make a key", **describe(body=TokenBody, status=201, returns=TokenBody))
    async def create(request: Request) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, dependencies.new_id)
        body = await context.body(request)
        check(TokenBody, body)
        state = organization(principal)
        tag: KeyTag = body.get("tag") or "private"
        value = format_key(tag, key_random(secret, tag, ids.object_id))
        command = IssueKey(
            key_id=ids.object_id,
            tag=tag,
            hash=hash_key(value),
            name=body.get("name") or "",
            restrictions=restrictions_of(body.get("restrictions")),
        )
        if (repeated := state.key(ids.object_id)) is None:
            if len(state.keys) >= MOST_KEYS:
                raise Problem(
                    400,
                    f"The organization has {len(state.keys)} keys already.",
                    detail="Delete some that are not used.",
                )
            # Where another request with the same Idempotency-Key was faster, or long ago, its key is what counts.
            with suppress(Conflicting, CommitIdReused):
                await commands.execute(ORGANIZATION, principal.org_id, command, commit_id=ids.commit_id)
            state = organization(principal)
            repeated = state.key(ids.object_id)
        key = _same(repeated, command, ids)
        return json_response({**_body(state, key), "value": value}, status=201, position=context.seen(principal))

    @router.get("/token", summary="List keys", **describe(query=ListFilters, returns=TokenBody, listed="array"))
    async def listing(request: Request) -> Response:
        principal = await context.caller(request)
        filters = parse_query(request, ListFilters)
        state = organization(principal)
        newest_first = sorted(state.keys, key=lambda key: (key.issued_at, key.id), reverse=True)
        shown = [_body(state, key) for key in newest_first if filters.admit(_times(state, key))]
        return json_response(shown[: filters.limit], position=context.seen(principal))

    @router.get("/token/{id}", summary="Get a key, without its value", **describe(returns=TokenBody))
    async def read(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        parse_query(request, Query)
        key = existing(principal, id)
        return json_response(_body(organization(principal), key), position=context.seen(principal))

    @router.patch(
        "/token/{id}", summary="Rename a key, or restrict it otherwise", **describe(body=TokenBody, returns=TokenBody)
    )
    async def change(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        body = await context.body(request)
        key = existing(principal, id)
        check(TokenBody, body)
        if body.get("tag", key.tag) != key.tag:
            raise invalid([Issue("INVALID_VALUE", f"tag cannot be changed from {key.tag}", "/body/tag")])
        restrictions = restrictions_of(body["restrictions"]) if "restrictions" in body else key.restrictions
        name = (body["name"] or "") if "name" in body else key.name
        command = DescribeKey(key_id=id, name=name, restrictions=restrictions)
        state, appended = await commands.execute(ORGANIZATION, principal.org_id, command)
        return json_response(_body(state, state.key(id) or key), position=appended.position)

    @router.delete("/token/{id}", summary="Revoke a key", **describe(returns=TokenBody))
    async def revoke(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        key = existing(principal, id)
        aggregate = replace(ORGANIZATION, decide=_keeping_a_private_key)
        state, appended = await commands.execute(aggregate, principal.org_id, RevokeKey(key_id=id))
        return json_response(_body(state, key), position=appended.position)

    return router


def _keeping_a_private_key(state: Organization | None, command: OrganizationCommand) -> Sequence[Event]:
    """The organisation's decisions, but never to be without a private key: nobody could make another."""
    if state is not None and isinstance(command, RevokeKey):
        private = [key.id for key in state.keys if key.tag == "private"]
        if private == [command.key_id]:
            raise conflict(
                "last_private_key",
                f"Token {command.key_id} is the last private key of the organization.",
                detail="Make another private key first.",
            )
    return ORGANIZATION.decide(state, command)


def _same(key: Key | None, command: IssueKey, ids: CreationIds) -> Key:
    """The key as it is, if it is the one that ``command`` asks for."""
    asked = (command.tag, command.name, command.restrictions)
    if key is None or (ids.repeatable and (key.tag, key.name, key.restrictions) != asked):
        raise Problem(
            422,
            "The Idempotency-Key was used before for another key, or for one that has been changed or revoked.",
            detail="Send a new Idempotency-Key for a new request.",
            code="IDEMPOTENCY_KEY_REUSED",
        )
    return key


def _times(state: Organization, key: Key) -> DocumentKeys:
    return DocumentKeys(org_id=state.id, created_at=key.issued_at, updated_at=key.changed_at or key.issued_at)


def _body(state: Organization, key: Key) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": key.id,
        "orgId": state.id,
        "createdAt": iso_ms(key.issued_at),
        "updatedAt": iso_ms(key.changed_at or key.issued_at),
        "tag": key.tag,
        "name": key.name,
    }
    if key.restrictions is not None:
        body["restrictions"] = restrictions_body(key.restrictions)
    return body

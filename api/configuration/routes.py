"""The routes of one configuration resource."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.configuration.changes import check_new, check_whole, with_checks
from api.configuration.history import configuration_at, versions_page
from api.configuration.listing import find, page_metadata
from api.configuration.references import check_references, refuse_while_used
from api.configuration.resource import Resource
from api.context import ApiContext
from api.creation import create_once
from api.documentation import describe
from api.errors import Issue, invalid, not_found
from api.event_stream import event_body
from api.idempotency import creation_ids
from api.models.filters import PagedFilters, Query, VersionQuery, parse_query
from api.piecewise import Pauses
from api.preconditions import expected_version, only_version
from api.responses import json_bytes, json_response, list_response
from api.sealing import sealing
from api.sections import Section
from api.time_travel import present_or_past
from domain.configuration.commands import (
    CreateConfiguration,
    DeleteConfiguration,
    ReplaceConfiguration,
    RestoreConfiguration,
    UpdateConfiguration,
)
from domain.configuration.state import Configuration
from domain.configuration.wire import configuration_body
from domain.log.ports import Document, Step

Deleted = Callable[[Configuration], Awaitable[None]]
Deleting = Callable[[Configuration, Principal], Sequence[Step]]


async def nothing_left(state: Configuration) -> None:
    """A configuration is all there was."""


def nothing_beside(state: Configuration, principal: Principal) -> Sequence[Step]:
    """It goes alone."""
    return ()


class Views:
    """Configurations as clients see them."""

    def __init__(self, resource: Resource, context: ApiContext) -> None:
        self._resource = resource
        self._now = context.dependencies.clock
        self._documents, self._log = context.dependencies.documents, context.dependencies.log

    def body(self, state: Configuration) -> dict[str, Any]:
        """The object in lists."""
        resource = self._resource
        body = configuration_body(resource.kind, state)
        return {
            **{name: value for name, value in body.items() if name not in resource.hidden},
            **resource.more(state, self._now()),
            **resource.gathered(state, self._documents, self._log),
        }

    def alone(self, state: Configuration) -> dict[str, Any]:
        """The object of ``GET``."""
        return self.body(state) | self._resource.alone(state, self._now())


def list_routes(resource: Resource) -> Callable[[ApiContext], APIRouter]:
    """The list of a resource and nothing else, where the same objects have a second path."""

    def routes(context: ApiContext) -> APIRouter:
        router = Section(tags=[resource.tag])
        _add_list(router, context, resource)
        return router

    return routes


def resource_routes(resource: Resource) -> Callable[[ApiContext], APIRouter]:
    """Create, list, read, change and delete, and the history of every object."""

    def routes(context: ApiContext) -> APIRouter:
        router = Section(tags=[resource.tag])
        _add_creation(router, context, resource)
        add_objects(router, context, resource)
        if resource.replaceable:
            _add_replacement(router, context, resource)
        return router

    return routes


def _add_creation(router: APIRouter, context: ApiContext, resource: Resource) -> None:
    documents, view = context.dependencies.documents, Views(resource, context).alone
    described = partial(describe, path=resource.within)

    @router.post(
        resource.path,
        summary=f"Create {_a(resource.noun)}",
        **described(body=resource.body, status=201, returns=resource.body),
    )
    async def create(request: Request) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, context.dependencies.new_id)
        within = _within(request, resource)
        body = resource.in_full(await context.body(request))
        check_new(resource, {**body, **within})
        config = {**resource.prepare(body, documents, principal.org_id), **within}
        check_whole(resource, config)

        def command() -> CreateConfiguration:
            check_references(resource.references, config, documents, principal.org_id)
            return CreateConfiguration(org_id=principal.org_id, config=config, actor=principal.key_id)

        answer = await create_once(
            context,
            principal,
            sealing(resource.aggregate, principal.org_id, context.dependencies.seal),
            ids,
            sent=context.sealed(principal, config, resource.kind),
            sent_as="config",
            command=command,
            body=view,
        )
        if resource.warning:
            answer.headers["warning"] = f'299 - "{resource.warning}"'
        return answer


def add_objects(
    router: APIRouter,
    context: ApiContext,
    resource: Resource,
    deleted: Deleted = nothing_left,
    deleting: Deleting = nothing_beside,
) -> None:
    """Everything but the creation. ``deleting`` says what goes together with an object, or raises what forbids it;
    ``deleted`` cleans up when the object is gone."""
    _add_list(router, context, resource)
    _add_one(router, context, resource, deleted, deleting)
    _add_history(router, context, resource)


def _add_one(router: APIRouter, context: ApiContext, resource: Resource, deleted: Deleted, deleting: Deleting) -> None:
    described = partial(describe, path=resource.within)
    commands, documents = context.dependencies.commands, context.dependencies.documents
    view = Views(resource, context).alone
    path, noun = resource.path, resource.noun

    @router.get(
        f"{path}/{{id}}",
        summary=f"Get {_a(noun)}, now or as it was",
        **described(query=resource.read_query, returns=resource.body),
    )
    async def read(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        within = _within(request, resource)
        state = present_or_past(
            context, request, resource.aggregate, id, principal, resource.label, resource.read_query
        )
        _require_within(resource, within, state.config, id)
        return json_response(view(state), position=context.seen(principal), version=state.version)

    @router.patch(
        f"{path}/{{id}}",
        summary=f"Replace fields of {_a(noun)}",
        **described(changes=resource.body, query=resource.change_query, returns=resource.body),
    )
    async def update(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        flags = _flags(request, resource)
        sealed = dataclasses.replace(
            resource, aggregate=sealing(resource.aggregate, principal.org_id, context.dependencies.seal)
        )
        aggregate = only_version(with_checks(sealed, flags), expected_version(request))
        changes = await context.body(request)
        _existing(context, resource, principal, request)
        check_references(resource.references, changes, documents, principal.org_id)
        command = UpdateConfiguration(org_id=principal.org_id, changes=changes, actor=principal.key_id)
        state, appended = await commands.execute(aggregate, id, command)
        return json_response(view(state), position=appended.position, version=state.version)

    @router.delete(f"{path}/{{id}}", summary=f"Delete {_a(noun)}", **described(returns=resource.body))
    async def delete(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        aggregate = only_version(resource.aggregate, expected_version(request))
        document = _existing(context, resource, principal, request)
        # It reads every object that could use this one, which takes long enough to keep calls waiting on the loop.
        await run_in_threadpool(refuse_while_used, resource.used_by, noun, id, documents, principal.org_id)
        command = DeleteConfiguration(org_id=principal.org_id, actor=principal.key_id)
        steps = (Step(aggregate, id, command), *deleting(document.state, principal))
        _, appended = await commands.execute_together(steps)
        await deleted(document.state)
        return json_response(view(document.state), position=appended.position)


def _add_list(router: APIRouter, context: ApiContext, resource: Resource) -> None:
    described = partial(describe, path=resource.within)
    documents, view = context.dependencies.documents, Views(resource, context).body

    @router.get(
        resource.path,
        summary=f"List {resource.nouns}, newest first",
        **described(query=resource.filters, returns=resource.body, listed=resource.style),
    )
    async def listing(request: Request) -> Response:
        principal = await context.caller(request)
        filters = parse_query(request, resource.filters)
        found, total = await find(resource, filters, documents, principal.org_id, **_within(request, resource))
        pauses, shown = Pauses(), list[bytes]()
        for document in found:
            shown.append(json_bytes(view(document.state)))
            await pauses.rest()
        paged = filters if resource.style == "page" and isinstance(filters, PagedFilters) else None
        metadata = page_metadata(total, paged) if paged else None
        return list_response(shown, metadata, position=context.seen(principal))


def _add_replacement(router: APIRouter, context: ApiContext, resource: Resource) -> None:
    commands, documents = context.dependencies.commands, context.dependencies.documents
    view, noun = Views(resource, context).alone, resource.noun

    @router.put(
        f"{resource.path}/{{id}}",
        summary=f"Replace {_a(noun)} as a whole",
        **describe(body=resource.body, returns=resource.body),
    )
    async def replace(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        aggregate = only_version(
            sealing(resource.aggregate, principal.org_id, context.dependencies.seal), expected_version(request)
        )
        body = resource.in_full(await context.body(request))
        _existing(context, resource, principal, request)
        check_new(resource, body)
        check_whole(resource, body)
        check_references(resource.references, body, documents, principal.org_id)
        command = ReplaceConfiguration(org_id=principal.org_id, config=body, actor=principal.key_id)
        state, appended = await commands.execute(aggregate, id, command)
        return json_response(view(state), position=appended.position, version=state.version)


def _add_history(router: APIRouter, context: ApiContext, resource: Resource) -> None:
    described = partial(describe, path=resource.within)
    commands, documents, log = context.dependencies.commands, context.dependencies.documents, context.dependencies.log
    view = Views(resource, context).alone
    path, noun = resource.path, resource.noun

    @router.get(
        f"{path}/{{id}}/versions",
        summary=f"Who changed what of {_a(noun)}",
        **described(query=VersionQuery, answer="Versions"),
    )
    async def versions(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        query = parse_query(request, VersionQuery)
        _existing(context, resource, principal, request)
        return json_response(versions_page(context, principal, id, query), position=context.seen(principal))

    @router.get(
        f"{path}/{{id}}/events", summary=f"The history of {_a(noun)}", **described(answer="Event", listed="array")
    )
    async def events(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        parse_query(request, Query)
        _existing(context, resource, principal, request)
        return json_response(
            [event_body(positioned) for positioned in log.history(id)], position=context.seen(principal)
        )

    @router.post(
        f"{path}/{{id}}/restore/{{version}}",
        summary=f"Put an earlier version of {_a(noun)} in force again, as a new one",
        **described(status=201, returns=resource.body),
    )
    async def restore(request: Request, id: str, version: str) -> Response:
        principal = await context.caller(request)
        aggregate = only_version(
            sealing(resource.aggregate, principal.org_id, context.dependencies.seal), expected_version(request)
        )
        _existing(context, resource, principal, request)
        revision, past = configuration_at(context, resource, principal, id, version)
        check_references(resource.references, past.config, documents, principal.org_id)
        command = RestoreConfiguration(
            org_id=principal.org_id, revision=revision, config=past.config, actor=principal.key_id
        )
        state, appended = await commands.execute(aggregate, id, command)
        return json_response(view(state), status=201, position=appended.position, version=state.version)


def _existing(context: ApiContext, resource: Resource, principal: Principal, request: Request) -> Document:
    object_id = request.path_params["id"]
    within = _within(request, resource)
    document = context.dependencies.documents.get(resource.kind, object_id, org_id=principal.org_id)
    if document is None:
        raise not_found(resource.label, object_id)
    _require_within(resource, within, document.state.config, object_id)
    return document


def _within(request: Request, resource: Resource) -> dict[str, str]:
    """The parameters of the path that are fields. Raises ``Problem`` 400 for values that none of them has."""
    given = {name: request.path_params[name] for name in resource.within}
    wrong = [
        Issue("INVALID_CHOICE", f"{name} must be one of the following values: {', '.join(allowed)}", f"/param/{name}")
        for name, allowed in resource.within.items()
        if given[name] not in allowed
    ]
    if wrong:
        raise invalid(wrong)
    return given


def _require_within(resource: Resource, within: Mapping[str, str], config: Mapping[str, Any], object_id: str) -> None:
    if any(config.get(name) != value for name, value in within.items()):
        raise not_found(resource.label, object_id)


def _flags(request: Request, resource: Resource) -> Mapping[str, str]:
    if resource.change_query is None:
        return {}
    parse_query(request, resource.change_query)
    return dict(request.query_params)


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"

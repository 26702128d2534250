"""What the simulation resources have beside the usual operations: a suite's copy, and how many may run at once."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.configuration.references import check_references
from api.configuration.routes import Views
from api.context import ApiContext
from api.creation import create_once
from api.documentation import describe
from api.errors import not_found
from api.idempotency import creation_ids
from api.resources.simulations import SUITES
from api.responses import json_response
from api.sections import Section
from domain.configuration.commands import CreateConfiguration
from domain.wire_time import iso_ms

LONGEST_NAME: Final = 80
SLOTS_EACH: Final = 2
"""A simulation over the telephone takes two calls: the tester's and the target's."""


def simulation_extra_routes(context: ApiContext) -> APIRouter:
    """``/eval/simulation/suite/{id}/duplicate`` and ``/eval/simulation/concurrency``."""
    router = Section(tags=["Simulations"])
    dependencies = context.dependencies
    documents = dependencies.documents

    @router.post(
        "/eval/simulation/suite/{id}/duplicate",
        summary="Copy a simulation suite",
        **describe(status=201, returns=SUITES.body),
    )
    async def duplicate(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, dependencies.new_id)
        await context.body(request, required=False)
        document = documents.get(SUITES.kind, id, org_id=principal.org_id)
        if document is None:
            raise not_found(SUITES.label, id)
        ending = " (copy)"
        name = f"{document.state.config['name'][: LONGEST_NAME - len(ending)]}{ending}"
        config = {**document.state.config, "name": name}

        def command() -> CreateConfiguration:
            check_references(SUITES.references, config, documents, principal.org_id)
            return CreateConfiguration(org_id=principal.org_id, config=config, actor=principal.key_id)

        return await create_once(
            context,
            principal,
            SUITES.aggregate,
            ids,
            sent=config,
            sent_as="config",
            command=command,
            body=Views(SUITES, context).body,
        )

    @router.get(
        "/eval/simulation/concurrency",
        summary="How many simulations may run at the same time",
        **describe(answer="SimulationConcurrency"),
    )
    async def concurrency(request: Request) -> Response:
        principal = await context.caller(request)
        own = principal.limits.concurrent_calls
        limit = dependencies.settings.limits.organization_calls if own is None else own
        document = documents.get("organization", principal.org_id)
        if document is None:
            raise not_found("Organization", principal.org_id)
        body = {
            "orgId": principal.org_id,
            "concurrencyLimit": limit,
            "activeSimulations": 0,
            "availableToStart": limit // SLOTS_EACH,
            "createdAt": iso_ms(document.state.created_at),
            "updatedAt": iso_ms(document.state.updated_at),
            "isDefault": own is None,
        }
        return json_response(body, position=context.seen(principal))

    return router

"""Requests made up from our own OpenAPI document, and answers held against it: no failure of ours, no other shape.

A few operations of every kind are asked always, all of them in the long run. What there is to ask is read from the
document when the tests run: to make it takes longer than to collect all other tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import content_type_conformance, response_schema_conformance

from api.app import create_app
from tests.unit.api.examples import BY_KIND, DICTIONARY, create_all
from tests.unit.api.installation import Installation

Ask = Callable[[schemathesis.Case], None]

SOME = {"/token", "/file/{id}", "/call/{id}", "/provider/{provider}/{resourceName}/{id}"}
SHARES = 25


@pytest.fixture(scope="module")
def app(shared: Installation) -> FastAPI:
    return create_app(shared.dependencies)


@pytest.fixture(scope="module")
def operations(app: FastAPI) -> Sequence[schemathesis.schemas.APIOperation]:
    """Without the stream that has no end, and without what only the operator may ask."""
    document = schemathesis.openapi.from_dict(app.openapi())
    asked = document.exclude(path="/event").exclude(path_regex="^/operator/")
    return [found.ok() for found in asked.get_all_operations()]


@pytest.fixture(scope="module")
def key(shared: Installation) -> dict[str, str]:
    founding = asyncio.run(shared.found("Acme"))
    return {"authorization": f"Bearer {founding.private_key}"}


@pytest.fixture(scope="module")
def ids(app: FastAPI, key: dict[str, str]) -> dict[str, str]:
    """Objects that requests may name, by the path they are found at."""

    async def make() -> dict[str, str]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=key) as client:
            made = await create_all(client)
        return {BY_KIND[kind].path: body["id"] for kind, body in made.items()}

    return asyncio.run(make())


@pytest.fixture(scope="module")
def ask(app: FastAPI, key: dict[str, str], ids: dict[str, str]) -> Ask:
    """Make a request and hold its answer."""

    def ask(case: schemathesis.Case) -> None:
        base = case.path.partition("/{id}")[0]
        parameters = dict(case.path_parameters or {})
        if base in ids and "id" in parameters:
            parameters |= {"id": ids[base], **(DICTIONARY if "provider" in parameters else {}), "version": "v1"}
            case.path_parameters = {name: value for name, value in parameters.items() if f"{{{name}}}" in case.path}
        answer = case.call(app=app, headers=key)
        assert answer.status_code < 500 or answer.status_code == 501, answer.text
        case.validate_response(answer, checks=[content_type_conformance, response_schema_conformance])

    return ask


def ask_often(operation: schemathesis.schemas.APIOperation, ask: Ask, times: int) -> None:
    """Requests as the operation wants them, and others."""

    @settings(
        max_examples=times,
        deadline=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]))
    def asked(case: schemathesis.Case) -> None:
        ask(case)

    asked()


def test_requests_to_some_operations_lead_to_no_failure_of_ours(
    operations: Sequence[schemathesis.schemas.APIOperation], ask: Ask, subtests: pytest.Subtests
) -> None:
    chosen = [operation for operation in operations if operation.path in SOME]
    assert {operation.path for operation in chosen} == SOME
    for operation in chosen:
        with subtests.test(operation.label):
            ask_often(operation, ask, 3)


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
def test_no_request_leads_to_a_failure_of_ours(
    operations: Sequence[schemathesis.schemas.APIOperation], ask: Ask, subtests: pytest.Subtests, share: int
) -> None:
    assert len(operations) > SHARES
    for operation in islice(operations, share, None, SHARES):
        with subtests.test(operation.label):
            ask_often(operation, ask, 5)

"""Requests made up from our own OpenAPI document, and answers held against it: no failure of ours, no other shape.

A few operations of every kind are asked always, all of them in the long run.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import content_type_conformance, response_schema_conformance

from api.app import create_app
from tests.unit.api.examples import BY_KIND, DICTIONARY, create_all
from tests.unit.api.installation import Installation, install

# The document is needed when the tests are collected, long before there is an installation to ask.
with tempfile.TemporaryDirectory() as _folder:
    _built = install(Path(_folder))
    SCHEMA = schemathesis.openapi.from_dict(create_app(_built.dependencies).openapi())
    _built.log.close()
ASKED = SCHEMA.exclude(path="/event").exclude(path_regex="^/operator/")
"""Without the stream that has no end, and without what only the operator may ask."""

SOME = ASKED.include(path=["/token", "/file/{id}", "/call/{id}", "/provider/{provider}/{resourceName}/{id}"])


def examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def app(shared: Installation) -> FastAPI:
    return create_app(shared.dependencies)


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


@SOME.parametrize()
@examples(3)
def test_requests_to_some_operations_lead_to_no_failure_of_ours(
    case: schemathesis.Case, app: FastAPI, key: dict[str, str], ids: dict[str, str]
) -> None:
    hold_answer(case, app, key, ids)


@pytest.mark.long
@ASKED.parametrize()
@examples(5)
def test_no_request_leads_to_a_failure_of_ours(
    case: schemathesis.Case, app: FastAPI, key: dict[str, str], ids: dict[str, str]
) -> None:
    hold_answer(case, app, key, ids)


def hold_answer(case: schemathesis.Case, app: FastAPI, key: dict[str, str], ids: dict[str, str]) -> None:
    base = case.path.partition("/{id}")[0]
    parameters = dict(case.path_parameters or {})
    if base in ids and "id" in parameters:
        parameters |= {"id": ids[base], **(DICTIONARY if "provider" in parameters else {}), "version": "v1"}
        case.path_parameters = {name: value for name, value in parameters.items() if f"{{{name}}}" in case.path}
    answer = case.call(app=app, headers=key)
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    case.validate_response(answer, checks=[content_type_conformance, response_schema_conformance])

"""Our own OpenAPI document: valid, complete, true in its examples, and served with its pages by us alone."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from openapi_spec_validator import validate
from openapi_spec_validator.schemas import get_schema_content_v31
from pydantic import BaseModel

from api.app import create_app
from api.documented_examples import EXAMPLES, example_of
from api.models.base import Closed, Open
from api.resources.catalogue import RESOURCES
from domain.organization.founding import Founding
from tests.unit.api.examples import DICTIONARY
from tests.unit.api.installation import Installation


@pytest.fixture(scope="module")
def document(shared: Installation) -> dict[str, Any]:
    return create_app(shared.dependencies).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_the_document_is_of_the_form_of_openapi_31(document: dict[str, Any]) -> None:
    form = jsonschema_rs.validator_for(dict(get_schema_content_v31()))
    assert [error.message[:200] for error in form.iter_errors(document)] == []
    for reference in set(re.findall(r"'\$ref': '([^']+)'", str(document))):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


@pytest.mark.long
def test_the_document_is_valid_in_every_part(document: dict[str, Any]) -> None:
    validate(document)


def test_alternatives_have_names(document: dict[str, Any]) -> None:
    """Generators of clients write out only those that have one."""

    def unnamed(part: Any, where: str) -> Iterator[str]:
        if isinstance(part, dict):
            forms = [form for form in (*part.get("anyOf", ()), *part.get("oneOf", ())) if form != {"type": "null"}]
            if len(forms) > 1 and any("properties" in form for form in forms):
                yield where
            part = list(part.items())
        if isinstance(part, list):
            for index, entry in enumerate(part):
                name, inner = entry if isinstance(entry, tuple) else (index, entry)
                yield from unnamed(inner, f"{where}/{name}")

    assert list(unnamed(document["components"]["schemas"], "#/components/schemas")) == []


def test_every_operation_says_what_it_does_and_how_it_refuses(document: dict[str, Any]) -> None:
    names = Counter(operation["operationId"] for _, _, operation in operations(document))
    assert [name for name, times in names.items() if times > 1] == []
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        assert set(operation["tags"]) <= tags, (method, path, operation["tags"])
        assert re.fullmatch(r"[a-z]+([A-Z0-9][a-z0-9]*)*", operation["operationId"]), operation["operationId"]
        answers = operation["responses"]
        assert any(status[0] in "23" for status in answers), (method, path)
        expected = {"400", "default"} if operation.get("security") == [] else {"400", "401", "429", "default"}
        assert expected <= set(answers), (method, path)
        assert ("404" in answers) == ("{" in path), (method, path)


def test_refusals_come_with_an_example_in_both_content_types(document: dict[str, Any]) -> None:
    for name, refusal in document["components"]["responses"].items():
        assert set(refusal["content"]) == {"application/json", "application/problem+json"}, name
        for content in refusal["content"].values():
            assert content["example"]["message"], name
            error = "ResponsesError" if name == "ResponsesRefusal" else "Error"
            assert content["schema"] == {"$ref": f"#/components/schemas/{error}"}


def body_models() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    waiting: list[type[BaseModel]] = [Closed, Open]
    while waiting:
        model = waiting.pop()
        found[model.__name__] = model
        waiting += model.__subclasses__()
    return found | {resource.body.__name__: resource.body for resource in RESOURCES}


def test_every_example_of_a_body_is_one(document: dict[str, Any]) -> None:
    models = body_models()
    for name, example in EXAMPLES.items():
        assert name in document["components"]["schemas"], f"{name} is no schema of the document"
        body = {**DICTIONARY, **example} if name == "ProviderResourceBody" else example
        models[name].model_validate(body)


def test_bodies_and_their_answers_come_with_examples(document: dict[str, Any]) -> None:
    for resource in RESOURCES:
        if resource.body.__name__ not in EXAMPLES:
            continue
        methods = document["paths"][resource.path]
        assert "example" in methods["post"]["requestBody"]["content"]["application/json"], resource.path
        shown = methods["get"]["responses"]["200"]["content"]["application/json"]["example"]
        one = shown["results"][0] if resource.style == "page" else shown[0]
        assert {"id", "orgId", "createdAt", "updatedAt"} <= set(one), resource.path
    assert "sk-" not in str(example_of("CredentialObject"))


@pytest.mark.parametrize("path", ["/docs", "/api"])
async def test_the_pages_need_no_other_host(anonymous: httpx.AsyncClient, founding: Founding, path: str) -> None:
    page = await anonymous.get(path)
    assert page.status_code == 200
    linked = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert linked
    for address in linked:
        assert address.startswith("/"), address
        assert (await anonymous.get(address)).status_code == 200, address


async def test_calls_go_on_while_the_document_is_built(shared: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a second of computing, and is built for the first who ask for it, together."""
    app = create_app(shared.dependencies)
    builders: list[threading.Thread] = []

    def built() -> dict[str, Any]:
        builders.append(threading.current_thread())
        return {"openapi": "3.1.0"}

    monkeypatch.setattr(app, "openapi", built)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://callfold.example") as client:
        answers = await asyncio.gather(client.get("/openapi.json"), client.get("/api-json"))
    assert [answer.json() for answer in answers] == [{"openapi": "3.1.0"}] * 2
    assert len(builders) == 1
    assert builders[0] is not threading.main_thread()


async def test_the_document_is_served_under_both_names(asking: httpx.AsyncClient, document: dict[str, Any]) -> None:
    one, two = await asking.get("/openapi.json"), await asking.get("/api-json")
    assert one.json() == two.json() == document
    assert one.headers["content-type"] == "application/json"

"""Every route, with the ids of another organisation and with every kind of key: never data.

The matrix is made from the application's own routes, so a new route is in it the moment it exists.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from api.app import EVERYTHING
from api.authentication import KeyRing
from api.context import ApiContext
from api.resources.files import FILES
from api.resources.knowledge_bases import KNOWLEDGE_BASES
from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall
from domain.organization.founding import Founding
from tests.unit.api.examples import BY_KIND, CHANGES, DICTIONARY, MARK, body_of, create_all, path_of
from tests.unit.api.installation import SECRET, Installation, install

ENDLESS = {"/event"}
"""Answers without an end; another test reads them."""
OPEN_TO_ALL = {"/", "/health", "/health/live", "/health/ready", "/asyncapi.json", "/call-me"}
SIGNED = {"/artifact/{call_id}/{track}"}
"""Paths whose own signature opens them, and nothing else."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def every_route() -> list[tuple[str, str]]:
    """Method and path of every HTTP route, as the routers make them for an application."""
    with tempfile.TemporaryDirectory() as folder:
        built = install(Path(folder))
        context = ApiContext(built.dependencies, KeyRing(built.log, built.clock, SECRET), asyncio.Event())
        routers = [part(context) for part in EVERYTHING]
        built.log.close()
    return [
        (method, route.path)
        for router in routers
        for route in router.routes
        if isinstance(route, Route)
        for method in sorted((route.methods or set()) & set(METHODS))
    ]


MATRIX = [pytest.param(method, path, id=f"{method} {path}") for method, path in every_route()]


@pytest.fixture(scope="module")
def acme(shared: Installation, shared_founding: Founding, shared_transport: httpx.ASGITransport) -> dict[str, str]:
    """The ids of what Acme has: one object of every kind, an ended call, and a chat."""

    async def make() -> dict[str, str]:
        key = {"authorization": f"Bearer {shared_founding.private_key}"}
        async with httpx.AsyncClient(transport=shared_transport, base_url="https://c.example", headers=key) as client:
            made = {kind: body["id"] for kind, body in (await create_all(client)).items()}
            uploaded = await client.post("/file", files={"file": ("secret.txt", MARK.encode())})
            made["file"] = uploaded.json()["id"]
            base = (await client.post("/v2/knowledge-base", json={"name": MARK})).json()
            made["knowledge_base"] = base["id"]
            await client.post(f"/v2/knowledge-base/{base['id']}/file", json={"fileId": made["file"]})
            websocket = {"provider": "vapi.websocket"}
            inline = {"name": MARK, "firstMessage": MARK}
            call = (await client.post("/call", json={"assistant": inline, "transport": websocket})).json()
            written = {"input": MARK, "assistant": inline, "name": MARK}
            chat = (await client.post("/chat", json=written)).json()
        await shared.log.execute(CALL, call["id"], ClaimCall(owner="test", lease_seconds=5))
        await shared.log.execute(CALL, call["id"], EndCall(reason="customer-ended-call"))
        return {**made, "call": call["id"], "chat": chat["id"]}

    return asyncio.run(make())


@pytest.fixture(scope="module")
def rival(shared: Installation) -> Founding:
    return asyncio.run(shared.found("Rival"))


def concrete(path: str, ids: dict[str, str], founding: Founding) -> str:
    """The path with Acme's ids in it: of the kind that the path speaks of."""
    kind = next(
        (
            kind
            for kind, resource in {**BY_KIND, "file": FILES, "knowledge_base": KNOWLEDGE_BASES}.items()
            if path.removeprefix("/v2").startswith(resource.path.removeprefix("/v2") + "/{id}")
        ),
        next((kind for kind in ("call", "chat") if kind in path), "assistant"),
    )
    values = {**DICTIONARY, "fileId": ids["file"], "version": "v1", "track": "mono", "token": "x", "position": "0:1"}
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: values.get(match[1], ids[kind] if "id" in match[1] else "x"), path)


def body_for(method: str, path: str, ids: dict[str, str]) -> dict[str, Any]:
    """A body that the route would take, with Acme's ids inside."""
    if path.endswith("{id}/run"):
        return {}
    for kind, resource in BY_KIND.items():
        if path.startswith(resource.path):
            return body_of(kind, ids) if method == "POST" else CHANGES[kind]
    if path.startswith(KNOWLEDGE_BASES.path):
        return {"POST /file": {"fileId": ids["file"]}, "POST /search": {"query": MARK}}.get(
            f"{method} {path.removeprefix(KNOWLEDGE_BASES.path + '/{id}')}", {"name": MARK}
        )
    if path.startswith("/chat"):
        return {"input": "Hello", "previousChatId": ids["chat"]}
    if path == "/call":
        return {"assistantId": ids["assistant"], "transport": {"provider": "vapi.websocket"}}
    return {}


@pytest.mark.parametrize(("method", "path"), MATRIX)
async def test_nobody_reads_or_changes_what_is_not_theirs(
    shared: Installation,
    shared_transport: httpx.ASGITransport,
    shared_founding: Founding,
    acme: dict[str, str],
    rival: Founding,
    method: str,
    path: str,
) -> None:
    keys = {
        "nobody's": None,
        "an unknown": "callfold_private_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "the rival's private": rival.private_key,
        "the rival's public": rival.public_key,
        "Acme's public": shared_founding.public_key,
        "a JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJvcmdJZCI6IngifQ.x",
    }
    before = {name: len(shared.log.history(object_id)) for name, object_id in acme.items()}
    target, unsigned = concrete(path, acme, shared_founding), {400} if path in SIGNED else set()
    # Nothing delivers messages in this installation, and there are none to read.
    unsigned |= {503} if path.startswith("/webhooks") else set()
    async with httpx.AsyncClient(transport=shared_transport, base_url="https://c.example") as client:
        for whose, key in keys.items():
            if path in ENDLESS and whose == "the rival's private":
                continue
            headers = {"authorization": f"Bearer {key}"} if key else {}
            sent = None if method == "GET" else json.dumps(body_for(method, path, acme)).replace(MARK, "what is ours")
            answer = await client.request(method, target, headers=headers, content=sent)
            assert MARK not in answer.text, f"{whose} key reads what Acme wrote"
            if path in OPEN_TO_ALL:
                continue
            if whose == "the rival's private":
                # Lists are empty, a new object may be made; whatever names an id of Acme's is refused.
                if "{" in path and not path.endswith(("}/pronunciation-dictionary", "{resourceName}")):
                    assert answer.status_code in {401, 403, 404, 501} | unsigned, (
                        whose,
                        answer.status_code,
                        answer.text,
                    )
                assert answer.status_code != 500, answer.text
                assert not any(own in answer.text and answer.status_code < 400 for own in acme.values()), answer.text
            else:
                allowed = {401, 403, 404} | unsigned
                allowed |= {501} if "public" in whose else set()
                # What a page names of another organisation is missing, as everywhere in a body.
                allowed |= {400} if whose == "the rival's public" and path.startswith("/chat/web") else set()
                # A public key may start calls; the body names no assistant, or one that its organisation does not have.
                allowed |= {400} if "public" in whose and path == "/call/web" else set()
                assert answer.status_code in allowed, (whose, answer.status_code, answer.text)
    assert {name: len(shared.log.history(object_id)) for name, object_id in acme.items()} == before


async def test_references_to_another_organisations_objects_look_like_missing_ones(
    shared_transport: httpx.ASGITransport, acme: dict[str, str], rival: Founding
) -> None:
    headers = {"authorization": f"Bearer {rival.private_key}"}
    async with httpx.AsyncClient(transport=shared_transport, base_url="https://c.example", headers=headers) as client:
        for kind, resource in BY_KIND.items():
            if not resource.references:
                continue
            body = body_of(kind, acme)
            if not any(own in str(body) for own in acme.values()):
                continue
            answer = await client.post(path_of(resource), json=body)
            assert answer.status_code == 400, (kind, answer.text)
            assert all("Does Not Exist." in text for text in answer.json()["message"]), answer.text


async def test_the_matrix_holds_every_resource_and_every_operation() -> None:
    paths = {path for _, path in every_route()}
    assert {resource.path for resource in BY_KIND.values()} <= paths
    assert len(MATRIX) > 200

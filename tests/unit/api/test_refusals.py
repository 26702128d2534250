"""Refusals that do not depend on a resource: routing, credentials, bodies, the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from domain.log.ports import LogUnavailable, OutcomeUnknown
from domain.organization.founding import Founding
from tests.unit.api.application import application
from tests.unit.api.installation import Installation

WRONG_KEY = "Invalid Key. Hot tip, you may be using the private key instead of the public key, or vice versa."


async def test_a_request_without_a_key(asking: httpx.AsyncClient) -> None:
    del asking.headers["authorization"]
    answer = await asking.get("/assistant")
    body = answer.json()
    assert answer.status_code == 401
    assert (body["message"], body["error"], body["statusCode"]) == (
        "Missing Authorization Header.",
        "Unauthorized",
        401,
    )


@pytest.mark.parametrize("authorization", ["Bearer nobody", "Bearer {public}"])
async def test_an_unknown_key_and_one_of_the_wrong_kind(
    anonymous: httpx.AsyncClient, founding: Founding, authorization: str
) -> None:
    header = authorization.format(public=founding.public_key)
    answer = await anonymous.get("/assistant", headers={"authorization": header})
    assert (answer.status_code, answer.json()["message"]) == (401, WRONG_KEY)


async def test_a_private_key_where_a_public_one_is_due(client: httpx.AsyncClient, founding: Founding) -> None:
    answer = await client.post("/call/web", json={})
    assert (answer.status_code, answer.json()["message"]) == (401, WRONG_KEY)
    public = await client.post("/call/web", json={}, headers={"authorization": f"Bearer {founding.public_key}"})
    assert public.status_code == 400, "the key is right, the body names no assistant"


@pytest.mark.parametrize(
    ("authorization", "part"),
    [
        ("Basic dXNlcjpwYXNz", "is not of the form Bearer <key>"),
        ("Bearer", "is not of the form"),
    ],
)
async def test_credentials_of_other_kinds_are_explained(
    asking: httpx.AsyncClient, authorization: str, part: str
) -> None:
    answer = await asking.get("/assistant", headers={"authorization": authorization})
    assert answer.status_code == 401
    assert part in answer.json()["message"]


async def test_a_key_works_as_soon_as_it_is_issued_and_stops_soon_after_it_is_revoked(
    client: httpx.AsyncClient, installation: Installation, founding: Founding
) -> None:
    from domain.organization.aggregate import ORGANIZATION
    from domain.organization.commands import RevokeKey

    assert (await client.get("/assistant")).status_code == 200
    document = installation.log.get("organization", founding.organization_id)
    assert document is not None
    private = next(key for key in document.state.keys if key.tag == "private")
    await installation.log.execute(ORGANIZATION, founding.organization_id, RevokeKey(key_id=private.id))
    installation.clock.forward(seconds=6)
    assert (await client.get("/assistant")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/no/such/path", 404, "Cannot GET /no/such/path"),
        ("PUT", "/call", 405, "PUT is not allowed on /call."),
        ("GET", "/eval/run/x", 501, "GET /eval/run/x (get an eval run) is not built yet."),
        (
            "POST",
            "/structured-output/run",
            501,
            "POST /structured-output/run (run a structured output) is not built yet.",
        ),
        (
            "PATCH",
            "/eval/simulation/run/x",
            501,
            "PATCH /eval/simulation/run/x (cancel a simulation run) is not built yet.",
        ),
        (
            "GET",
            "/provider/11labs/pronunciation-dictionary/x",
            404,
            "Provider resource x does not exist or was deleted.",
        ),
        ("GET", "/call/4d0b4d3c", 404, "Call 4d0b4d3c does not exist or was deleted."),
    ],
)
async def test_paths_and_methods(asking: httpx.AsyncClient, method: str, path: str, status: int, message: str) -> None:
    answer = await asking.request(method, path)
    body = answer.json()
    assert (answer.status_code, body["statusCode"]) == (status, status)
    assert body["message"].startswith(message)


@pytest.mark.parametrize(
    ("content", "headers", "status", "part"),
    [
        (b"{", {}, 400, "is not valid JSON"),
        (b'{"name": NaN}', {}, 400, "is not valid JSON"),
        (b"\xff\xfe", {}, 400, "is not valid JSON"),
        (b"", {}, 400, "The request body is empty."),
        (b"[1]", {}, 400, "must be a JSON object, not an array"),
        (b"null", {}, 400, "must be a JSON object, not null"),
        (b"[" * 20_000, {}, 400, "nested too deeply"),
        (b'{"metadata":' + b'{"a":' * 64 + b"1" + b"}" * 65, {}, 400, "nested too deeply: more than 64 levels"),
        (b'{"metadata":' + b"[" * 900 + b"]" * 900 + b"}", {}, 400, "nested too deeply"),
        (b'{"metadata": {"a": 1' + b"0" * 400 + b"}}", {}, 400, "holds an integer of 1329 bits"),
        (b'{"metadata": {"a": 1' + b"0" * 9000 + b"}}", {}, 400, "The request body"),
        (b'{"metadata": {"a": 1e999}}', {}, 400, "is not valid JSON"),
        (b'{"name": "\\ud800"}', {}, 400, "is not valid JSON"),
        (b"{}", {"content-type": "text/plain"}, 415, "Content-Type text/plain is not supported"),
        (b"{}" + b" " * 70_000, {}, 413, "larger than 65536 bytes"),
    ],
)
async def test_bodies_that_cannot_be_read(
    asking: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int, part: str
) -> None:
    answer = await asking.post("/assistant", content=content, headers={"content-type": "application/json", **headers})
    assert (answer.status_code, answer.json()["statusCode"]) == (status, status)
    assert part in answer.json()["message"]
    assert answer.json()["detail"]


async def test_the_deepest_and_largest_values_that_are_taken_can_be_read_again(asking: httpx.AsyncClient) -> None:
    deep: Any = 18446744073709551615
    for _ in range(62):
        deep = {"a": deep}
    created = await asking.post("/assistant", json={"metadata": deep})
    assert created.status_code == 201
    assert (await asking.get("/assistant")).json()[0] == created.json()


async def test_a_body_that_hides_its_length_is_still_limited(asking: httpx.AsyncClient) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 10_000

    answer = await asking.post("/assistant", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_problem_details_on_request(asking: httpx.AsyncClient) -> None:
    answer = await asking.get("/call/x", headers={"accept": "application/problem+json", "x-request-id": "mine-1"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["requestId"] == answer.headers["x-request-id"] == "mine-1"
    assert answer.json()["type"] == "urn:vapi:problem:not-found"


class FailingCommands:
    """A log that cannot take anything."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def execute(self, *_: Any, **__: Any) -> Any:
        raise self.failure

    async def record(self, *_: Any, **__: Any) -> Any:
        raise self.failure

    execute_together = execute


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (LogUnavailable("no space left", full=True), 507, "LOG_FULL"),
        (LogUnavailable("broker away"), 503, "LOG_UNAVAILABLE"),
        (OutcomeUnknown("timed out"), 503, "OUTCOME_UNKNOWN"),
        (RuntimeError("a secret detail of ours"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_a_log_that_fails(
    installation: Installation, founding: Founding, failure: Exception, status: int, code: str
) -> None:
    app = application(replace(installation.dependencies, commands=FailingCommands(failure)), "failing")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://calls.example") as client:
        answer = await client.post("/assistant", json={}, headers={"authorization": f"Bearer {founding.private_key}"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["requestId"] == answer.headers["x-request-id"]
    assert "secret detail" not in answer.text


async def test_any_origin_may_ask(asking: httpx.AsyncClient) -> None:
    preflight = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    allowed = await asking.options("/call", headers=preflight)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "*")
    del asking.headers["authorization"]
    refused = await asking.get("/call", headers={"origin": "https://shop.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")

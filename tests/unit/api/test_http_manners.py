"""What clients of every kind may do with HTTP itself: slashes, methods, codings, repeated parameters."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging

import httpx
import pytest
from starlette.types import Message, Scope

from domain.organization.founding import Founding
from tests.unit.api.application import application
from tests.unit.api.installation import Installation

UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"


@pytest.mark.parametrize("path", ["/assistant/", "//assistant", "///assistant//"])
async def test_slashes_too_many_lead_to_the_same_place(client: httpx.AsyncClient, path: str) -> None:
    made = await client.post(f"https://calls.example{path}", json={"name": "a"})
    assert made.status_code == 201, made.text
    assert (await client.get(f"https://calls.example{path}")).json() == [made.json()]
    assert (await client.get(f"/assistant/{made.json()['id']}/")).json() == made.json()


async def test_a_head_is_a_get_without_its_body(client: httpx.AsyncClient) -> None:
    made = (await client.post("/assistant", json={"name": "a"})).json()
    for path in ("/assistant", f"/assistant/{made['id']}", "/health", f"/assistant/{UNKNOWN}"):
        got, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers.get("etag") == got.headers.get("etag")
        # The id of the request stands in the body of a refusal, always as long.
        assert head.headers["content-length"] == got.headers["content-length"]
    assert (await client.head("/analytics")).status_code == 405


async def test_the_head_of_a_stream_ends(client: httpx.AsyncClient) -> None:
    await client.post("/assistant", json={"name": "a"})
    head = await asyncio.wait_for(client.head("/event?after=0:0"), 60)
    assert (head.status_code, head.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/assistant", "GET, POST, HEAD, OPTIONS"),
        (f"/assistant/{UNKNOWN}", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
        ("/analytics", "POST, OPTIONS"),
    ],
)
async def test_a_path_tells_what_it_takes(client: httpx.AsyncClient, path: str, allowed: str) -> None:
    asked = await client.options(path)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, allowed, b"")
    refused = await client.request("BREW", path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    assert refused.json()["detail"] == f"Use {allowed}."
    assert (await client.options("/nowhere")).status_code == 404


async def test_a_page_may_ask_from_anywhere(anonymous: httpx.AsyncClient) -> None:
    asks = {
        "origin": "https://shop.example",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization, content-type, idempotency-key",
    }
    answer = await anonymous.options("/chat/web", headers=asks)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]
    refused = await anonymous.get("/assistant", headers={"origin": "https://shop.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*"), (
        "pages read refusals too"
    )
    assert "x-request-id" in refused.headers["access-control-expose-headers"].lower()


async def test_a_mark_in_front_of_the_text_is_none_of_it(client: httpx.AsyncClient) -> None:
    answer = await client.post("/assistant", content=b'\xef\xbb\xbf{"name": "a"}')
    assert (answer.status_code, answer.json()["name"]) == (201, "a")


async def test_a_packed_body_is_refused_by_name(client: httpx.AsyncClient) -> None:
    packed = gzip.compress(json.dumps({"name": "a"}).encode())
    answer = await client.post("/assistant", content=packed, headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["message"]) == (
        415,
        "Content-Encoding gzip is not supported in requests.",
    )


async def test_a_parameter_that_says_two_things(client: httpx.AsyncClient) -> None:
    answer = await client.get("/assistant?limit=1&limit=2")
    assert (answer.status_code, answer.json()["message"]) == (400, ["limit must be given only once"])
    several = await client.get(f"/chat?idAny={UNKNOWN}&idAny=x")
    assert several.status_code == 200, "lists of values may be repeated keys"


async def test_two_changes_at_once_both_stand(client: httpx.AsyncClient) -> None:
    made = (await client.post("/assistant", json={"name": "a"})).json()
    path = f"/assistant/{made['id']}"
    changes = [{"firstMessage": "Hi"}, {"endCallMessage": "Bye"}, {"name": "b"}, {"metadata": {"n": 1}}]
    answers = await asyncio.gather(*(client.patch(path, json=change) for change in changes))
    assert {answer.status_code for answer in answers} == {200}
    read = (await client.get(path)).json()
    assert {name: read[name] for change in changes for name in change} == {
        name: value for change in changes for name, value in change.items()
    }
    assert read["latestVersion"] == "v5"


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/event", {"after": f"0:{10**18}"}),
        ("/event", {"after": f"{10**9}:0"}),
        ("/webhooks/messages", {"before": 2**63}),
        ("/webhooks/messages", {"before": "9" * 5000}),
    ],
)
async def test_numbers_that_no_store_counts_to_are_refused(
    asking: httpx.AsyncClient, path: str, parameters: dict[str, str | int]
) -> None:
    assert (await asking.get(path, params=parameters)).status_code == 400


@pytest.mark.parametrize(
    ("path", "media_type", "begun"),
    [
        ("/assistant", b"application/json", b'{"name": "a'),
        ("/file", b"multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"'),
    ],
)
async def test_a_client_that_leaves_while_it_sends_is_no_failure_of_the_server(
    installation: Installation,
    founding: Founding,
    caplog: pytest.LogCaptureFixture,
    path: str,
    media_type: bytes,
    begun: bytes,
) -> None:
    key = f"Bearer {founding.private_key}".encode()
    headers = [(b"authorization", key), (b"content-type", media_type), (b"content-length", b"5000")]
    scope: Scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    incoming: list[Message] = [
        {"type": "http.request", "body": begun, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if len(incoming) > 1 else incoming[0]

    async def send(message: Message) -> None:
        sent.append(message)

    await application(installation.dependencies)(scope, receive, send)
    assert sent[0]["status"] == 400
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert installation.artifacts.files == {}

"""``apiRequest`` tools against a real server on this machine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from media.egress.client import guarded_client
from media.tools.api_request import ApiRequests
from media.tools.outcome import Answered, Failed
from tests.patience import PATIENCE_S
from tests.unit.media.tools.calling import LOOPBACK, call_of, now, tenant_servers
from tests.unit.media.tools.tool_server import ToolServer, tool_server


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


@pytest.fixture
async def requests() -> AsyncIterator[ApiRequests]:
    async with guarded_client(LOOPBACK, timeout_s=PATIENCE_S) as client:
        yield ApiRequests(client, tenant_servers(client), now=now, timeout_s=PATIENCE_S, result_cap=200)


def tool(server: ToolServer, **more: Any) -> dict[str, Any]:
    return {"type": "apiRequest", "name": "book", "method": "POST", "url": server.url, **more}


async def run(requests: ApiRequests, configured: dict[str, Any], arguments: dict[str, Any], **more: Any) -> Any:
    return (await requests.run([call_of(configured, arguments, **more)]))["c1"]


async def test_arguments_static_parameters_and_constants_make_the_body(
    requests: ApiRequests, server: ToolServer
) -> None:
    server.answers.append((200, b'{"ok": true}'))
    body = {
        "type": "object",
        "properties": {"day": {"type": "string"}, "shop": {"type": "string", "value": "leeds"}},
        "required": ["day", "shop"],
    }
    configured = tool(server, body=body, parameters=[{"key": "caller", "value": "{{ customer.number }}"}])
    arguments = {"day": "Tuesday", "caller": "+1999", "shop": "evil"}
    outcome = await run(requests, configured, arguments, variables={"customer": {"number": "+4915"}})
    assert outcome == Answered('{"ok":true}')
    (received,) = server.received
    assert json.loads(received.body) == {"day": "Tuesday", "caller": "+4915", "shop": "leeds"}
    assert received.headers["content-type"] == "application/json"


async def test_headers_are_constants_filled_in_at_the_moment_of_the_call(
    requests: ApiRequests, server: ToolServer
) -> None:
    headers = {"type": "object", "properties": {"X-Token": {"type": "string", "value": "t-{{ token }}"}}}
    await run(requests, tool(server, headers=headers), {}, variables={"token": "7"})
    assert server.received[0].headers["x-token"] == "t-7"
    refused = await run(requests, tool(server, headers=headers), {"token": "7\r\nX-Admin: 1"})
    assert isinstance(refused, Failed)
    assert refused.failure == "refused"
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [("GET", "/tools?day=a%26b&n=2", b""), ("DELETE", "/tools?day=a%26b&n=2", b""), ("PATCH", "/tools", None)],
)
async def test_methods_without_a_body_carry_arguments_in_the_query(
    requests: ApiRequests, server: ToolServer, method: str, path: str, sent: bytes | None
) -> None:
    await run(requests, tool(server, method=method), {"day": "a&b", "n": 2})
    (received,) = server.received
    assert (received.method, received.path) == (method, path)
    assert received.body == (sent if sent is not None else b'{"day":"a&b","n":2}')


@pytest.mark.parametrize(
    "argument",
    ["../admin", "a/b?c=d#e", "http://169.254.169.254/", "x@evil.example", "ü ñ", "%2e%2e", "{{ secret }}"],
)
async def test_what_the_model_fills_in_stays_one_piece_of_the_path(
    requests: ApiRequests, server: ToolServer, argument: str
) -> None:
    configured = tool(server, method="GET", url=server.url + "/{{ shop }}/open")
    await run(requests, configured, {"shop": argument}, variables={"secret": "s"})
    (received,) = server.received
    parts = received.path.split("/")
    assert parts[:2] + parts[3:] == ["", "tools", "open"]
    assert parts[2] != "s"


@pytest.mark.parametrize("argument", ["..", ".", " .. "])
async def test_dot_segments_are_refused(requests: ApiRequests, server: ToolServer, argument: str) -> None:
    configured = tool(server, method="GET", url=server.url + "/{{ shop }}/open")
    outcome = await run(requests, configured, {"shop": argument})
    assert isinstance(outcome, Failed)
    assert outcome.failure == "refused"
    assert not server.received


@pytest.mark.parametrize(
    "url",
    ["http://{{ host }}/x", "http://{{ host }}.example/x", "{{ host }}", "http://a.example:{{ host | url_encode }}"],
)
async def test_what_the_model_fills_in_never_chooses_the_host(
    requests: ApiRequests, server: ToolServer, url: str
) -> None:
    outcome = await run(requests, tool(server, url=url), {"host": "evil.example"})
    assert isinstance(outcome, Failed)
    assert outcome.failure == "refused"


async def test_an_inner_address_is_refused_by_the_guard() -> None:
    async with guarded_client(LOOPBACK, timeout_s=PATIENCE_S) as client:
        requests = ApiRequests(client, tenant_servers(client), now=now, timeout_s=PATIENCE_S, result_cap=200)
        configured = {"type": "apiRequest", "name": "x", "url": "http://169.254.169.254/latest"}
        outcome = await run(requests, configured, {})
    assert isinstance(outcome, Failed)
    assert outcome.failure == "refused"


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (500, b"down", "http-status"),
        (404, b"{}", "http-status"),
        (200, b"<html>", "bad-body"),
        (302, b"", "http-status"),
    ],
)
async def test_answers_that_are_none(
    requests: ApiRequests, server: ToolServer, status: int, body: bytes, failure: str
) -> None:
    server.answers.append((status, body))
    outcome = await run(requests, tool(server), {})
    assert isinstance(outcome, Failed)
    assert outcome.failure == failure


async def test_back_off_repeats_the_same_request(requests: ApiRequests, server: ToolServer) -> None:
    server.answers += [(503, b""), (429, b""), (200, b"1")]
    plan = {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 0}
    assert await run(requests, tool(server, backoffPlan=plan), {"a": 1}) == Answered("1")
    assert len({received.body for received in server.received}) == 1
    assert len(server.received) == 3


async def test_a_server_that_takes_too_long(requests: ApiRequests, server: ToolServer) -> None:
    server.hold.clear()
    outcome = await run(requests, tool(server, timeoutSeconds=1), {})
    assert isinstance(outcome, Failed)
    assert outcome.failure == "timeout"


async def test_long_answers_are_cut_and_variables_still_see_the_whole(
    requests: ApiRequests, server: ToolServer
) -> None:
    server.headers["X-Region"] = "north"
    server.answers.append((200, json.dumps({"filler": "x" * 500, "user": {"name": "Mina", "age": 30}}).encode()))
    plan = {
        "schema": {"type": "object", "properties": {"user": {"type": "object", "properties": {"name": {}}}}},
        "aliases": [
            {"key": "region", "value": "{{ tool.response.headers.x-region }}"},
            {"key": "age", "value": "{{ $.user.age }}"},
            {"key": "customer", "value": "+1999"},
        ],
    }
    outcome = await run(requests, tool(server, variableExtractionPlan=plan), {})
    assert isinstance(outcome, Answered)
    assert (len(outcome.result), outcome.truncated > 0) == (200, True)
    assert outcome.variables == {"user": {"name": "Mina"}, "region": "north", "age": "30"}

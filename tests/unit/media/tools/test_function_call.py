"""Function tools over HTTP against a real server: what is sent, and what every kind of answer leads to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from domain.egress import EgressPolicy
from media.egress.client import guarded_client
from media.machine.inputs import Input, ToolErred, ToolReturned
from media.machine.outputs import CallTool
from media.tools.function_call import ServerTools
from media.tools.reporting import report
from tests.patience import PATIENCE_S
from tests.unit.media.tools.calling import NOW, tenant_servers
from tests.unit.media.tools.tool_server import ToolServer, tool_server

SNAPSHOT = {"call": {"id": "call-1"}, "assistant": {"name": "Mia"}, "artifact": {"messages": []}}


@dataclass
class Caller:
    """A call's side of its tools."""

    client: httpx2.AsyncClient
    assistant: dict[str, Any] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    async def run(self, *calls: CallTool, cap: int = 8_192) -> list[Input]:
        tools = ServerTools(
            tenant_servers(self.client),
            lambda: self.assistant,
            snapshot=lambda: SNAPSHOT,
            timeout_s=PATIENCE_S,
            result_cap=cap,
        )
        outcomes = await tools.run(calls)
        report(calls, outcomes, self.inputs.append, lambda code, detail: self.warnings.append((code, detail)))
        return self.inputs


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client:
        yield Caller(client)


def call(
    server: ToolServer | str,
    call_id: str = "call_1",
    *,
    detached: bool = False,
    tool: dict[str, Any] | None = None,
    **more: Any,
) -> CallTool:
    url = server if isinstance(server, str) else server.url
    config = {
        "type": "function",
        "function": {"name": "findOrder", "description": "Look up one order"},
        "server": {"url": url, **more},
        **(tool or {}),
    }
    return CallTool(
        tool_call_id=call_id, name="findOrder", arguments={"orderId": "K-204"}, tool=config, detached=detached
    )


async def test_the_request_carries_every_shape_of_a_tool_call_that_receivers_read(
    caller: Caller, server: ToolServer
) -> None:
    server.answer({"toolCallId": "call_1", "result": "shipped"})
    await caller.run(call(server))
    message = server.received[0].message
    assert message["type"] == "tool-calls"
    assert message["timestamp"] == NOW.timestamp() * 1000
    nested = {"name": "findOrder", "arguments": {"orderId": "K-204"}}
    assert message["toolCalls"] == [{"id": "call_1", "type": "function", "function": nested}]
    assert message["toolCallList"] == [
        {
            "id": "call_1",
            "type": "function",
            "name": "findOrder",
            "arguments": {"orderId": "K-204"},
            "parameters": {"orderId": "K-204"},
            "function": nested,
        }
    ]
    with_tool = message["toolWithToolCallList"][0]
    assert with_tool["name"] == "findOrder"
    assert with_tool["function"] == {"name": "findOrder", "description": "Look up one order"}
    assert with_tool["toolCall"]["parameters"] == {"orderId": "K-204"}
    assert {key: message[key] for key in SNAPSHOT} == SNAPSHOT


async def test_secrets_and_headers_authenticate_us_and_are_not_told_in_the_body(
    caller: Caller, server: ToolServer
) -> None:
    await caller.run(call(server, secret="s3cret", headers={"X-Tenant": "acme", "Authorization": "Bearer abc"}))
    request = server.received[0]
    assert request.headers["x-vapi-secret"] == "s3cret"
    assert request.headers["x-tenant"] == "acme"
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["content-type"] == "application/json"
    assert b"s3cret" not in request.body
    assert b"Bearer abc" not in request.body


async def test_fixed_parameters_win_over_what_the_model_filled_in(caller: Caller, server: ToolServer) -> None:
    static = [{"key": "orderId", "value": "fixed"}, {"key": "tenant", "value": {"id": 7}}]
    await caller.run(call(server, tool={"parameters": static}))
    assert server.received[0].message["toolCallList"][0]["arguments"] == {"orderId": "fixed", "tenant": {"id": 7}}


async def test_calls_for_one_server_travel_together_and_others_apart(caller: Caller, server: ToolServer) -> None:
    server.answer({"toolCallId": "b", "result": "two"}, {"toolCallId": "a", "result": "one"})
    with tool_server() as other:
        other.answer({"toolCallId": "c", "result": "three"})
        inputs = await caller.run(call(server, "a"), call(other, "c"), call(server, "b"))
    assert len(server.received) == len(other.received) == 1
    assert {(i.tool_call_id, i.result) for i in inputs if isinstance(i, ToolReturned)} == {
        ("a", "one"),
        ("b", "two"),
        ("c", "three"),
    }


async def test_the_assistants_server_serves_tools_without_one(caller: Caller, server: ToolServer) -> None:
    caller.assistant = {"serverUrl": server.url, "serverUrlSecret": "old"}
    server.answer({"toolCallId": "call_1", "result": "ok"})
    inputs = await caller.run(call("", tool={"server": None}))
    assert inputs == [ToolReturned(tool_call_id="call_1", result="ok")]
    assert server.received[0].headers["x-vapi-secret"] == "old"


RESULT = "shipped yesterday"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            200,
            {"results": [{"toolCallId": "call_1", "result": RESULT}]},
            ToolReturned(tool_call_id="call_1", result=RESULT),
        ),
        (201, {"results": [{"result": RESULT}]}, ToolReturned(tool_call_id="call_1", result=RESULT)),
        (200, {"results": [RESULT]}, ToolReturned(tool_call_id="call_1", result=RESULT)),
        (
            200,
            {"results": [{"toolCallId": "call_1", "result": {"state": "ok", "n": [1]}}]},
            ToolReturned(tool_call_id="call_1", result='{"state":"ok","n":[1]}'),
        ),
        (
            200,
            {
                "results": [
                    {
                        "toolCallId": "call_1",
                        "result": "x",
                        "metadata": {"a": 1},
                        "message": {"type": "request-complete", "content": "Done."},
                    }
                ]
            },
            ToolReturned(
                tool_call_id="call_1",
                result="x",
                metadata={"a": 1},
                message={"type": "request-complete", "content": "Done."},
            ),
        ),
        (
            200,
            {"results": [{"toolCallId": "call_1", "error": "no such order"}]},
            ToolErred(tool_call_id="call_1", failure="error", error="no such order"),
        ),
        (200, {"error": "down"}, ToolErred(tool_call_id="call_1", failure="error", error="down")),
        (200, {"results": []}, ToolErred(tool_call_id="call_1", failure="no-result", error="No result returned")),
        (200, {}, ToolErred(tool_call_id="call_1", failure="no-result", error="No result returned")),
        (
            200,
            {"results": [{"toolCallId": "other", "result": RESULT}]},
            ToolReturned(tool_call_id="call_1", result=RESULT),
        ),
        (
            200,
            {"results": [{"toolCallId": "call_1", "result": None}]},
            ToolErred(tool_call_id="call_1", failure="no-result", error="No result returned"),
        ),
        (200, {"results": [{"toolCallId": "call_1", "result": ""}]}, ToolReturned(tool_call_id="call_1", result="")),
        (200, {"results": "x"}, "bad-body"),
        (200, [1, 2], "bad-body"),
        (200, b"<html>oops</html>", "bad-body"),
        (200, b"\xff\xfe\x00", "bad-body"),
        (200, b'{"results": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "bad-body"),
        (200, b'{"results": [{"toolCallId": "a", "result": 123456789012345678901234567890}]}', "bad-body"),
        (500, {"results": [{"toolCallId": "call_1", "result": RESULT}]}, "http-status"),
        (404, b"", "http-status"),
        (302, b"", "http-status"),
    ],
)
async def test_every_kind_of_answer_has_its_outcome(
    caller: Caller, server: ToolServer, status: int, body: Any, expected: Input | str
) -> None:
    if isinstance(body, bytes):
        server.answers.append((status, body))
    else:
        import json

        server.answers.append((status, json.dumps(body).encode()))
    (outcome,) = await caller.run(call(server))
    if isinstance(expected, str):
        assert isinstance(outcome, ToolErred)
        assert outcome.failure == expected
        assert RESULT not in outcome.error
    else:
        assert outcome == expected


async def test_an_oversized_result_is_cut_with_a_warning(caller: Caller, server: ToolServer) -> None:
    server.answer({"toolCallId": "call_1", "result": "x" * 20_000})
    (outcome,) = await caller.run(call(server), cap=1_000)
    assert outcome == ToolReturned(tool_call_id="call_1", result="x" * 1_000)
    assert caller.warnings == [("oversized-tool-response", "findOrder: 19000 characters of its result were cut")]


async def test_an_endless_answer_is_not_read_to_its_end(caller: Caller, server: ToolServer) -> None:
    server.answers.append((200, b"[" + b"1," * 4_000_000))
    (outcome,) = await caller.run(call(server))
    assert isinstance(outcome, ToolErred)
    assert outcome.failure == "bad-body"


async def test_a_server_that_does_not_answer_in_time_is_a_time_out(caller: Caller, server: ToolServer) -> None:
    server.hold.clear()
    (outcome,) = await caller.run(call(server, timeoutSeconds=1))
    assert outcome == ToolErred(
        tool_call_id="call_1", failure="timeout", error="The tool server did not answer within 1 seconds."
    )


async def test_nobody_listening_is_unreachable(caller: Caller) -> None:
    with tool_server() as gone:
        url = gone.url
    (outcome,) = await caller.run(call(url))
    assert isinstance(outcome, ToolErred)
    assert outcome.failure == "unreachable"


async def test_a_tool_without_any_server_is_unreachable(caller: Caller) -> None:
    (outcome,) = await caller.run(call("", tool={"server": {}}))
    assert isinstance(outcome, ToolErred)
    assert outcome.failure == "unreachable"


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "ftp://127.0.0.1/x"])
async def test_inner_addresses_are_refused(caller: Caller, url: str) -> None:
    (outcome,) = await caller.run(call(url))
    assert isinstance(outcome, ToolErred)
    assert outcome.failure == "refused"
    assert "egress_blocked" in outcome.error


async def test_a_redirect_is_not_followed(caller: Caller, server: ToolServer) -> None:
    with tool_server() as inner:
        server.headers["location"] = inner.url
        server.answers.append((307, b""))
        (outcome,) = await caller.run(call(server))
        assert inner.received == []
    assert isinstance(outcome, ToolErred)
    assert outcome.failure == "http-status"


async def test_the_back_off_plan_sends_the_very_same_bytes_again(caller: Caller, server: ToolServer) -> None:
    server.answers += [(503, b""), (429, b"")]
    server.answer({"toolCallId": "call_1", "result": "at last"})
    plan = {"type": "exponential", "maxRetries": 2, "baseDelaySeconds": 0.01}
    (outcome,) = await caller.run(call(server, backoffPlan=plan))
    assert outcome == ToolReturned(tool_call_id="call_1", result="at last")
    assert len({request.body for request in server.received}) == 1
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("status", "plan", "requests"),
    [
        (503, None, 1),
        (503, {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 0}, 3),
        (503, {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 0, "excludedStatusCodes": [503]}, 1),
        (400, {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 0}, 1),
    ],
)
async def test_only_what_may_pass_is_repeated(
    caller: Caller, server: ToolServer, status: int, plan: dict[str, Any] | None, requests: int
) -> None:
    server.answers.append((status, b""))
    more: dict[str, Any] = {} if plan is None else {"backoffPlan": plan}
    (outcome,) = await caller.run(call(server, **more))
    assert len(server.received) == requests
    assert isinstance(outcome, ToolErred)
    assert outcome.failure == "http-status"


async def test_an_async_tool_is_sent_and_its_answer_ignored(caller: Caller, server: ToolServer) -> None:
    server.answers.append((500, b""))
    assert await caller.run(call(server, detached=True)) == []
    assert len(server.received) == 1
    assert caller.warnings == [("async-tool-failed", "findOrder: http-status")]

"""MCP servers that die, hang, forget, answer nonsense and come back, behind a plug that tests pull."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import pytest
from mcp.server import MCPServer

from media.egress.client import GuardedTransport, guarded_client
from media.tools import mcp_sessions
from media.tools.mcp_tools import McpServers
from media.tools.outcome import Answered, Failed, Outcome
from tests.patience import PATIENCE_S
from tests.simulators.relay import Relay, relay
from tests.unit.media.tools.calling import LOOPBACK, tenant_servers
from tests.unit.media.tools.test_mcp_tools import call, configured, serving

IMPATIENT_S = 0.6
BY_FAR_SOONER_S = 20.0
"""Than the protocol's library gives up, with which a busy machine may take seconds."""


@dataclass
class Shop:
    """An MCP server that counts what it was asked for; ``wait`` begins and does not end."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    waits: int = 0

    def app(self, protocol: str) -> Any:
        server = MCPServer("Shop")

        @server.tool()
        def find_order(order_id: str) -> str:
            return f"Order {order_id} ships on Monday."

        @server.tool()
        async def wait() -> str:
            self.waits += 1
            self.began.set()
            await asyncio.Event().wait()
            return ""

        return server.sse_app() if protocol == "sse" else server.streamable_http_app()


class Customer:
    """Asks the tools of one server behind ``plug`` as one conversation."""

    def __init__(self, servers: McpServers, plug: Relay, protocol: str) -> None:
        self.servers = servers
        path = "/sse" if protocol == "sse" else "/mcp"
        self._server = configured(f"http://127.0.0.1:{plug.port}{path}", metadata={"protocol": protocol})
        self._config: dict[str, Any] = {}

    async def come_in(self) -> None:
        self._config = await self.servers.expanded(self._server)
        assert await self.ask("find_order", order_id="1") == Answered("Order 1 ships on Monday.")

    async def ask(self, name: str, **arguments: Any) -> Outcome:
        return (await self.servers.run([call(self._config, name, **arguments)]))["c1"]


@contextlib.asynccontextmanager
async def customer(protocol: str, plug: Relay, patience_s: float = PATIENCE_S) -> AsyncIterator[Customer]:
    async with (
        guarded_client(LOOPBACK, timeout_s=PATIENCE_S) as client,
        McpServers(
            lambda: GuardedTransport(LOOPBACK),
            headers={},
            warn=lambda code, detail: None,
            servers=tenant_servers(client),
            timeout_s=patience_s,
            result_cap=500,
        ) as servers,
    ):
        yield Customer(servers, plug, protocol)


@pytest.fixture
async def plug() -> AsyncIterator[Relay]:
    async with relay() as made:
        yield made


BOTH = pytest.mark.parametrize("protocol", ["shttp", "sse"])
ONE_QUICKLY = pytest.mark.parametrize("protocol", ["shttp", pytest.param("sse", marks=pytest.mark.long)])


@BOTH
async def test_a_server_that_is_killed_in_mid_call_fails_at_once_does_it_once_and_can_come_back(
    protocol: str, plug: Relay
) -> None:
    shop, successor = Shop(), Shop()
    async with serving(shop.app(protocol)) as url, customer(protocol, plug) as asking:
        plug.stand_before(url)
        await asking.come_in()
        waiting = asyncio.create_task(asking.ask("wait"))
        await shop.began.wait()
        await plug.pull()
        broken = await waiting
        assert isinstance(broken, Failed)
        assert (broken.failure, "broke off before it answered" in broken.error) == ("unreachable", True)
        gone = await asking.ask("find_order", order_id="1")
        assert isinstance(gone, Failed)
        assert (gone.failure, "cannot be reached (ConnectError)" in gone.error) == ("unreachable", True)
        async with serving(successor.app(protocol)) as other:
            plug.stand_before(other)
            await plug.plug_in()
            assert await asking.ask("find_order", order_id="2") == Answered("Order 2 ships on Monday.")
            assert (shop.waits, successor.waits) == (1, 0), "what may have been done is not done again"


@BOTH
async def test_a_server_that_was_started_again_between_calls_is_asked_in_a_new_session(
    protocol: str, plug: Relay
) -> None:
    async with customer(protocol, plug) as asking:
        async with serving(Shop().app(protocol)) as url:
            plug.stand_before(url)
            await asking.come_in()
            await plug.pull()
        async with serving(Shop().app(protocol)) as url:
            plug.stand_before(url)
            await plug.plug_in()
            assert await asking.ask("find_order", order_id="2") == Answered("Order 2 ships on Monday.")


@ONE_QUICKLY
async def test_a_server_that_hangs_costs_its_time_and_no_more_and_is_left_without_waiting(
    protocol: str, plug: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_sessions, "LEAVE_SECONDS", 0.3)
    async with serving(Shop().app(protocol)) as url:
        plug.stand_before(url)
        async with customer(protocol, plug, IMPATIENT_S) as asking:
            asking._config = await asking.servers.expanded(asking._server)
            plug.freeze()
            for _ in range(2):
                began = monotonic()
                two = await asyncio.gather(asking.ask("find_order", order_id="1"), asking.ask("wait"))
                assert {each.failure for each in two if isinstance(each, Failed)} == {"timeout"}
                assert monotonic() - began < BY_FAR_SOONER_S
            plug.thaw()
            asking.servers._timeout_s = PATIENCE_S
            assert await asking.ask("find_order", order_id="3") == Answered("Order 3 ships on Monday.")
            plug.freeze()
            began = monotonic()
        assert monotonic() - began < BY_FAR_SOONER_S, "the library would wait for minutes"


@ONE_QUICKLY
async def test_a_tool_that_is_slow_keeps_the_session_for_the_others(
    protocol: str, plug: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_sessions, "PING_SECONDS", PATIENCE_S)
    shop = Shop()
    async with serving(shop.app(protocol)) as url, customer(protocol, plug, 1.0) as asking:
        plug.stand_before(url)
        asking._config = await asking.servers.expanded(asking._server)
        (session,) = asking.servers._sessions.values()
        slow = await asking.ask("wait")
        assert isinstance(slow, Failed)
        assert slow.error == "The MCP server did not answer within 1 seconds."
        asking.servers._timeout_s = PATIENCE_S
        assert await asking.ask("find_order", order_id="4") == Answered("Order 4 ships on Monday.")
        assert list(asking.servers._sessions.values()) == [session]


@dataclass
class Nonsense:
    """Speaks the protocol until a tool is called, and then answers what the test wants."""

    answer: Callable[[Any], tuple[int, str, bytes]]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        asked = json.loads(body + message.get("body", b"") or b"{}")
        status, kind, data = self._answered(asked) if scope["method"] == "POST" else (405, "text/plain", b"")
        headers = [(b"content-type", kind.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    def _answered(self, asked: Any) -> tuple[int, str, bytes]:
        match asked.get("method"):
            case "initialize":
                result: Any = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "Nonsense", "version": "1"},
                }
            case "tools/list":
                result = {"tools": [{"name": "find_order", "inputSchema": {"type": "object"}}]}
            case "tools/call":
                return self.answer(asked["id"])
            case _:
                return 202, "application/json", b""
        return 200, "application/json", _message(asked["id"], result=result)


def _message(asked: Any, **more: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": asked, **more}).encode()


@pytest.mark.parametrize(
    ("answer", "failure", "told"),
    [
        pytest.param(lambda _: (200, "text/html", b"<p>Hello</p>"), "error", "content type: text/html", id="html"),
        pytest.param(lambda _: (200, "application/json", b"{oh"), "bad-body", "not understood", id="broken JSON"),
        pytest.param(
            lambda asked: (200, "application/json", _message(asked, result={"content": 7})),
            "bad-body",
            "not understood (ValidationError)",
            id="another shape",
        ),
        pytest.param(
            lambda _: (200, "text/event-stream", b"data: {oh\n\n"), "bad-body", "not understood", id="broken event"
        ),
        pytest.param(
            lambda _: (200, "text/event-stream", b": no event\n\n"), "unreachable", "broke off", id="empty stream"
        ),
        pytest.param(lambda _: (503, "text/plain", b"later"), "http-status", "HTTP status 503", id="HTTP 503"),
        pytest.param(lambda _: (202, "text/plain", b""), "error", "202 Accepted", id="HTTP 202"),
        pytest.param(lambda _: (404, "text/plain", b""), "http-status", "HTTP status 404", id="always HTTP 404"),
        pytest.param(
            lambda asked: (
                200,
                "application/json",
                _message(asked, error={"code": -32602, "message": "No such order"}),
            ),
            "error",
            "refused the call: No such order",
            id="an error of the protocol",
        ),
    ],
)
async def test_nonsense_is_a_failure_that_says_what_is_wrong(
    answer: Callable[[Any], tuple[int, str, bytes]], failure: str, told: str, plug: Relay
) -> None:
    async with serving(Nonsense(answer)) as url, customer("shttp", plug) as asking:
        plug.stand_before(url)
        asking._config = await asking.servers.expanded(asking._server)
        for _ in range(2):
            outcome = await asking.ask("find_order", order_id="1")
            assert isinstance(outcome, Failed)
            assert (outcome.failure, told in outcome.error) == (failure, True), outcome

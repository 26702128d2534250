"""MCP tools against a real server of the protocol's own library."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from domain.egress import EgressPolicy
from media.egress.client import GuardedTransport, guarded_client
from media.machine.outputs import CallTool
from media.machine.reading import Section
from media.machine.tool_plan import read_tools
from media.tools.mcp_tools import McpServers
from media.tools.outcome import Answered, Failed
from tests.patience import PATIENCE_S
from tests.unit.media.tools.calling import LOOPBACK, tenant_servers

server = MCPServer("Shop")


@server.tool()
def find_order(order_id: str) -> str:
    """Look up one order."""
    return f"Order {order_id} ships on Monday."


@server.tool()
def who_asks(context: Context) -> str:
    """Says which call asked."""
    return str((context.headers or {}).get("x-call-id"))


@server.tool()
def break_down() -> str:
    """Fails."""
    raise ValueError("out of stock")


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # connections wait here until the server takes them
        running = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
        task = asyncio.create_task(running.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            running.should_exit = running.force_exit = True
            await task


@contextlib.asynccontextmanager
async def mcp_servers(policy: EgressPolicy = LOOPBACK) -> AsyncIterator[tuple[McpServers, list[tuple[str, str]]]]:
    warnings: list[tuple[str, str]] = []
    async with (
        guarded_client(policy, timeout_s=PATIENCE_S) as client,
        McpServers(
            lambda: GuardedTransport(policy),
            headers={"x-call-id": "call-1"},
            warn=lambda code, detail: warnings.append((code, detail)),
            servers=tenant_servers(client),
            timeout_s=PATIENCE_S,
            result_cap=500,
        ) as servers,
    ):
        yield servers, warnings


def configured(url: str, **more: Any) -> dict[str, Any]:
    return {"model": {"tools": [{"type": "mcp", "server": {"url": url}, **more}, {"type": "endCall"}]}}


def call(config: dict[str, Any], name: str, **arguments: Any) -> CallTool:
    plan = read_tools(Section(config), server_available=True)[name]
    return CallTool(tool_call_id="c1", name=name, arguments=arguments, tool=plan.config)


@pytest.mark.parametrize("protocol", ["shttp", "sse"])
async def test_the_tools_of_a_server_are_listed_and_called(protocol: str) -> None:
    app = server.sse_app() if protocol == "sse" else server.streamable_http_app()
    path = "/sse" if protocol == "sse" else "/mcp"
    async with serving(app) as url, mcp_servers() as (servers, warnings):
        more = {
            "metadata": {"protocol": protocol},
            "messages": [{"type": "request-start", "content": "Looking."}],
            "toolMessages": [{"name": "who_asks", "messages": []}],
        }
        config = await servers.expanded(configured(url + path, **more))
        tools = read_tools(Section(config), server_available=True)
        assert set(tools) == {"endCall", "find_order", "who_asks", "break_down"}
        assert tools["find_order"].definition["description"] == "Look up one order."
        assert tools["find_order"].parameters["required"] == ["order_id"]
        assert [message.text for message in tools["find_order"].messages] == ["Looking."]
        assert tools["who_asks"].messages == ()
        found, asked = await asyncio.gather(
            servers.run([call(config, "find_order", order_id="K-2")]), servers.run([call(config, "who_asks")])
        )
        assert found["c1"] == Answered("Order K-2 ships on Monday.")
        assert asked["c1"] == Answered("call-1")
        broken = (await servers.run([call(config, "break_down")]))["c1"]
        assert isinstance(broken, Failed)
        assert "break_down" in broken.error
        assert warnings == []
        assert await servers.expanded(config) == config


async def test_a_server_that_is_not_there_leaves_the_other_tools_and_a_warning() -> None:
    async with mcp_servers() as (servers, warnings):
        config = await servers.expanded(configured("http://127.0.0.1:9/mcp"))
        assert set(read_tools(Section(config), server_available=True)) == {"endCall"}
        assert [code for code, _ in warnings] == ["mcp-server-unavailable"]


async def test_inner_addresses_are_refused_by_the_guard() -> None:
    asked: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope)

    async with mcp_servers(EgressPolicy()) as (servers, warnings):
        await servers.expanded(configured("http://127.0.0.1:9/mcp"))
        assert [code for code, _ in warnings] == ["mcp-server-unavailable"]
        assert "egress_blocked" in warnings[0][1]
    assert not asked


async def test_a_server_that_dies_fails_its_calls_and_can_come_back() -> None:
    async with mcp_servers() as (servers, _):
        async with serving(server.streamable_http_app()) as url:
            config = await servers.expanded(configured(url + "/mcp"))
        gone = (await servers.run([call(config, "find_order", order_id="1")]))["c1"]
        assert isinstance(gone, Failed)

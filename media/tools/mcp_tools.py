"""``mcp`` tools: those of Model Context Protocol servers, listed when a conversation begins, called while it lasts.

One session per server and conversation, over streamable HTTP or the older SSE, through the guard on outgoing requests.
https://modelcontextprotocol.io/specification and https://docs.vapi.ai/tools/mcp
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from domain.server_messages.access import CredentialUnusable
from domain.server_messages.server import read_server
from media.egress.client import Auth, HttpClient, HttpTransport, Timeout, client_over
from media.machine.outputs import CallTool
from media.tools.mcp_sessions import LEAVE_SECONDS, McpSession, McpUnavailable, WatchedTransport
from media.tools.outcome import Answered, Failed, Outcome, answered
from media.tools.tenant_servers import TenantServers

if TYPE_CHECKING:
    from mcp import ClientSession

T = TypeVar("T")

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST_TOOLS: Final = 128
_LONGEST_DESCRIPTION: Final = 1_000
LIST_SECONDS: Final = 5.0
"""How long a conversation's beginning waits for a server to list its tools."""


class McpServers:
    """The MCP servers of one conversation; sessions end with the context. A ``ToolExecutor`` for their tools.

    ``transport`` makes a guarded transport, ``servers`` know how we authenticate, ``headers`` say which conversation
    asks, ``warn`` takes what a person should know.
    """

    def __init__(
        self,
        transport: Callable[[], HttpTransport],
        *,
        headers: Mapping[str, str],
        warn: Callable[[str, str], None],
        servers: TenantServers,
        timeout_s: float,
        result_cap: int,
    ) -> None:
        self._transport = transport
        self._servers = servers
        self._headers = dict(headers)
        self._warn = warn
        self._timeout_s = timeout_s
        self._result_cap = result_cap
        self._group = asyncio.TaskGroup()
        self._sessions: dict[bytes, McpSession] = {}

    async def __aenter__(self) -> McpServers:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leaving = [session.leave() for session in self._sessions.values()]
        self._sessions.clear()
        if leaving and not isinstance(error, asyncio.CancelledError):
            _, late = await asyncio.wait(leaving, timeout=LEAVE_SECONDS)
            for task in late:
                task.cancel()
        # What went wrong in the block is the block's own; no session of the group raises anything.
        if isinstance(error, asyncio.CancelledError):
            await self._group.__aexit__(kind, error, traceback)
        else:
            await self._group.__aexit__(None, None, None)

    async def expanded(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """``config`` with every MCP server in ``model.tools`` replaced by its tools, behind all others.

        A server that does not answer in time has none, with a warning.
        """
        model = config.get("model")
        tools = model.get("tools") if isinstance(model, Mapping) else None
        listed = [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []
        servers = [tool for tool in listed if _is_server(tool)]
        if not servers or not isinstance(model, Mapping):
            return dict(config)
        found = await asyncio.gather(*(self._tools(server) for server in servers))
        others = [tool for tool in listed if not _is_server(tool)]
        return {**config, "model": {**model, "tools": [*others, *(tool for tools in found for tool in tools)]}}

    async def run(self, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
        """As ``ToolExecutor.run``: all at once."""
        outcomes = await asyncio.gather(*(self._run(call) for call in calls))
        return {call.tool_call_id: outcome for call, outcome in zip(calls, outcomes, strict=True)}

    async def _tools(self, server: Mapping[str, Any]) -> list[dict[str, Any]]:
        name = str((server.get("function") or {}).get("name") or server.get("name") or "mcp")
        try:
            answer = await self._asked(server, lambda session: session.list_tools(), LIST_SECONDS)
        except TimeoutError:
            self._warn("mcp-server-unavailable", f"{name}: its tools were not listed within {LIST_SECONDS:g} s")
            return []
        except McpUnavailable as error:
            self._warn("mcp-server-unavailable", f"{name}: {error}")
            return []
        usable = [tool for tool in answer.tools if _TOOL_NAME.fullmatch(tool.name)]
        if len(usable) < len(answer.tools) or len(usable) > _MOST_TOOLS:
            self._warn("mcp-tools-left-out", f"{name}: {len(answer.tools) - len(usable[:_MOST_TOOLS])} of its tools")
        return [_as_tool(server, tool) for tool in usable[:_MOST_TOOLS]]

    async def _run(self, call: CallTool) -> Outcome:
        try:
            result = await self._asked(
                call.tool, lambda session: session.call_tool(call.name, call.arguments), self._timeout_s
            )
        except TimeoutError:
            return Failed("timeout", f"The MCP server did not answer within {self._timeout_s:g} seconds.")
        except McpUnavailable as error:
            return Failed(error.failure, str(error))
        texts = [part.text for part in result.content if getattr(part, "type", "") == "text" and hasattr(part, "text")]
        structured = getattr(result, "structured_content", None)
        value: Any = "\n".join(texts) if texts else structured if structured is not None else ""
        outcome: Answered = answered(value, self._result_cap)
        if getattr(result, "is_error", False):
            return Failed("error", outcome.result or "The MCP server's tool failed.")
        return outcome

    async def _asked(
        self, tool: Mapping[str, Any], send: Callable[[ClientSession], Awaitable[T]], within_s: float
    ) -> T:
        """What the tool's server says within ``within_s``, of a session that is there already or of another.

        A server that was started again does not know its sessions: what it cannot have begun is asked once more.
        Raises ``TimeoutError`` and ``McpUnavailable``.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        old = self._sessions.get(_key(tool))
        if old is not None and await old.usable(within_s):
            try:
                return await old.ask(send, until - loop.time())
            except McpUnavailable as error:
                if error.begun:
                    raise
        return await self._another(tool, old).ask(send, until - loop.time())

    def _another(self, tool: Mapping[str, Any], old: McpSession | None) -> McpSession:
        """A new session in the place of ``old``, unless somebody else who asked at the same time has opened one."""
        key = _key(tool)
        present = self._sessions.get(key)
        if present is not None and present is not old and not present.over:
            return present
        if old is not None:
            old.leave()
        opened = McpSession(lambda: _opened(tool, self._transport, self._headers, self._servers), self._group).open()
        self._sessions[key] = opened
        return opened


@asynccontextmanager
async def _opened(
    tool: Mapping[str, Any],
    transport: Callable[[], HttpTransport],
    headers: Mapping[str, str],
    servers: TenantServers,
) -> AsyncIterator[ClientSession]:
    # The protocol's library takes a tenth of a second to load: only calls that use it wait for it.
    from mcp import ClientSession
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client

    server = read_server(tool)
    if server is None:
        raise McpUnavailable("unreachable", "The tool has no server URL.", begun=False)
    url = server.url
    try:
        sent = {**headers, **await servers.headers(server, "mcp", ours=False)}
    except CredentialUnusable as fault:
        raise McpUnavailable("refused", f"The MCP server cannot be asked: {fault}.", begun=False) from fault
    metadata = tool.get("metadata")
    older = isinstance(metadata, Mapping) and metadata.get("protocol") == "sse"

    def client(
        headers: dict[str, str] | None = None, timeout: Timeout | None = None, auth: Auth | None = None
    ) -> HttpClient:
        watched = WatchedTransport(transport(), answers_elsewhere=older)
        return client_over(watched, headers=headers, timeout=timeout, auth=auth)

    async with AsyncExitStack() as stack:
        if older:
            streams = await stack.enter_async_context(sse_client(url, headers=sent, httpx_client_factory=client))
        else:
            http = await stack.enter_async_context(client(headers=sent, timeout=Timeout(30.0, read=300.0)))
            streams = await stack.enter_async_context(streamable_http_client(url, http_client=http))
        session = await stack.enter_async_context(ClientSession(streams[0], streams[1]))
        await session.initialize()
        yield session


def _as_tool(server: Mapping[str, Any], tool: Any) -> dict[str, Any]:
    """A tool of a server in the shape that configurations have."""
    schema = getattr(tool, "input_schema", None)
    made: dict[str, Any] = {
        **{name: server[name] for name in ("server", "metadata", "rejectionPlan", "id") if name in server},
        "type": "mcp",
        "expanded": True,
        "function": {
            "name": tool.name,
            "description": (tool.description or "")[:_LONGEST_DESCRIPTION],
            "parameters": dict(schema) if isinstance(schema, Mapping) else {"type": "object", "properties": {}},
        },
    }
    own = next(
        (
            entry.get("messages")
            for entry in server.get("toolMessages") or ()
            if isinstance(entry, Mapping) and entry.get("name") == tool.name
        ),
        None,
    )
    messages = own if own is not None else server.get("messages")
    return {**made, "messages": messages} if messages is not None else made


def _is_server(tool: Mapping[str, Any]) -> bool:
    """An MCP tool that was not expanded: what a configuration holds names a server, not one of its tools."""
    return tool.get("type") == "mcp" and not tool.get("expanded")


def _key(tool: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode([tool.get("server"), tool.get("metadata")], order="deterministic")

"""Function tools run on the tenant's server: one ``POST`` per server for the calls of one model answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from domain.call.extraction import extract
from domain.server_messages.server import Server
from media.machine.outputs import CallTool
from media.tools.outcome import Answered, Failed, Outcome
from media.tools.rendering import rendered_tool
from media.tools.tenant_servers import TenantServers
from media.tools.tool_answer import read_answer
from media.tools.tool_request import tool_calls_message


class ServerTools:
    """A ``ToolExecutor``. ``assistant`` gives the server for tools that have none of their own, ``snapshot`` the fields
    that every message has (``call``, ``assistant``, ``artifact``...) as they stand."""

    def __init__(
        self,
        servers: TenantServers,
        assistant: Callable[[], Mapping[str, Any]],
        *,
        snapshot: Callable[[], Mapping[str, Any]],
        timeout_s: float,
        result_cap: int,
    ) -> None:
        self._servers = servers
        self._assistant = assistant
        self._snapshot = snapshot
        self._timeout_s = timeout_s
        self._result_cap = result_cap

    async def run(self, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
        """As ``ToolExecutor.run``; those for the same server together, different servers at once."""
        grouped: dict[bytes, tuple[Server | None, list[CallTool]]] = {}
        for call in calls:
            rendered = replace(call, tool=rendered_tool(call, self._now()))
            server = self._servers.find(rendered.tool, self._assistant(), default_timeout_s=self._timeout_s)
            grouped.setdefault(msgspec.json.encode(server), (server, []))[1].append(rendered)
        outcomes: dict[str, Outcome] = {}
        for answers in await asyncio.gather(*(self._ask(server, group) for server, group in grouped.values())):
            outcomes.update(answers)
        return outcomes

    async def _ask(self, server: Server | None, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
        call_ids = [call.tool_call_id for call in calls]
        if server is None:
            return dict.fromkeys(call_ids, Failed("unreachable", "No server URL is configured for this tool."))
        message = tool_calls_message(calls) | dict(self._snapshot())
        reply = await self._servers.ask(server, message, source=f"tool-calls.{'.'.join(call_ids)}")
        if isinstance(reply, Failed):
            return dict.fromkeys(call_ids, reply)
        outcomes = read_answer(reply.status, reply.body, call_ids, cap=self._result_cap)
        return {call.tool_call_id: self._extracted(call, outcomes[call.tool_call_id]) for call in calls}

    def _extracted(self, call: CallTool, outcome: Outcome) -> Outcome:
        plan = call.tool.get("variableExtractionPlan")
        if not isinstance(outcome, Answered) or plan is None or outcome.truncated:
            return outcome
        known = {**call.variables, **call.arguments}
        outcome.variables.update(extract(plan, outcome.result, variables=known, now=self._now()).values)
        return outcome

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._servers.timestamp_ms() / 1000, UTC)

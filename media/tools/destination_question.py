"""Asking the tenant's server where a call should go, and which of its answers may be followed.

https://docs.vapi.ai/server-url/events: ``transfer-destination-request`` and ``handoff-destination-request``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from domain.foreign_json import UnreadableJson, read_json
from media.machine.destinations import DestinationInvalid, read_destination
from media.machine.inputs import DestinationAnswered, ToolErred
from media.machine.outputs import AskDestination
from media.tools.outcome import Failed
from media.tools.tenant_servers import TenantServers

_LONGEST: Final = 8_192


class DestinationQuestions:
    """``assistant`` gives the server for tools that have none of their own, ``snapshot`` the fields that every message
    has (``call``, ``assistant``, ``artifact``...) as they stand."""

    def __init__(
        self,
        servers: TenantServers,
        assistant: Callable[[], Mapping[str, Any]],
        *,
        snapshot: Callable[[], Mapping[str, Any]],
        timeout_s: float,
        warn: Callable[[str, str], None],
    ) -> None:
        self._servers = servers
        self._assistant = assistant
        self._snapshot = snapshot
        self._timeout_s = timeout_s
        self._warn = warn

    async def ask(self, order: AskDestination) -> DestinationAnswered | ToolErred:
        """The answer as the machine takes it; one that may not be followed fails, and a warning says why."""
        server = self._servers.find(order.destination, order.tool, self._assistant(), default_timeout_s=self._timeout_s)
        if server is None:
            return _erred(order, "unreachable", "No server URL is configured that could name a destination.")
        kind = "handoff-destination-request" if order.handoff else "transfer-destination-request"
        parameters = {"parameters": order.arguments} if order.handoff else {}
        reply = await self._servers.ask(
            server,
            {"type": kind, **parameters, **self._snapshot()},
            source=f"{kind}.{order.tool_call_id}",
            whom="The server that names destinations",
        )
        if isinstance(reply, Failed):
            self._warn("destination-not-answered", f"{kind}: {reply.failure}")
            return _erred(order, reply.failure, reply.error)
        if not 200 <= reply.status < 300:
            self._warn("destination-not-answered", f"{kind}: HTTP status {reply.status}")
            return _erred(order, "http-status", f"The server answered with HTTP status {reply.status}.")
        answer = read_destination_answer(order, reply.body)
        if isinstance(answer, ToolErred) and answer.failure == "bad-body":
            self._warn("destination-answer-illegal", f"{kind}: {answer.error}")
        return answer


def read_destination_answer(order: AskDestination, body: bytes) -> DestinationAnswered | ToolErred:
    """``{"destination", "result"?, "message"?, "error"?}``; an ``error`` is told to the model as it is."""
    try:
        answer = read_json(body) if body.strip() else None
    except UnreadableJson:
        return _erred(order, "bad-body", "The server's answer is not JSON.")
    if not isinstance(answer, Mapping):
        return _erred(order, "bad-body", "The server's answer is not a JSON object.")
    if answer.get("error"):
        return _erred(order, "error", str(answer["error"])[:_LONGEST])
    destination = answer.get("destination")
    if destination is None:
        return _erred(order, "bad-body", "The server's answer names no destination.")
    try:
        chosen = read_destination(destination, handoff=order.handoff)
    except DestinationInvalid as error:
        return _erred(order, "bad-body", f"The server's destination cannot be used: {error}.")
    if chosen.type == "dynamic":
        return _erred(order, "bad-body", "The server's destination cannot be used: it names nobody.")
    message, result = answer.get("message"), answer.get("result")
    return DestinationAnswered(
        tool_call_id=order.tool_call_id,
        destination=chosen.config,
        result=result[:_LONGEST] if isinstance(result, str) else "",
        message=_message(message),
    )


def _message(message: Any) -> dict[str, Any] | None:
    if isinstance(message, str):
        return {"content": message}
    return dict(message) if isinstance(message, Mapping) else None


def _erred(order: AskDestination, failure: str, error: str) -> ToolErred:
    return ToolErred(tool_call_id=order.tool_call_id, failure=failure, error=error)

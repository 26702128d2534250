"""The ``tool-calls`` request as tool servers expect it, https://docs.vapi.ai/server-url/events.

Receivers in the field read one of several shapes of a tool call; every one of them finds its own here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.call.tool_parameters import static_parameters
from media.machine.outputs import CallTool

Json = dict[str, Any]

DEFAULT_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """When to send again after a connection error, a time-out, 408, 429 or 5xx."""

    exponential: bool = False
    retries: int = 0
    base_s: float = 1.0
    excluded: frozenset[int] = frozenset()

    def pause_s(self, attempt: int) -> float:
        """Before repetition ``attempt``, counted from 0."""
        return self.base_s * 2**attempt if self.exponential else self.base_s

    def repeats(self, status: int) -> bool:
        return (status in (408, 429) or status >= 500) and status not in self.excluded


@dataclass(frozen=True, slots=True)
class ToolServer:
    """Where a tool call goes and how."""

    url: str
    timeout_s: float = DEFAULT_TIMEOUT_S
    headers: tuple[tuple[str, str], ...] = ()
    backoff: Backoff = Backoff()


def find_server(tool: Mapping[str, Any], assistant: Mapping[str, Any], default_timeout_s: float) -> ToolServer | None:
    """The tool's own server, else the assistant's; ``None`` where neither names one."""
    given = _server(tool) or _server(assistant)
    if given is None:
        return None
    headers = {str(name): str(value) for name, value in (given.get("headers") or {}).items()}
    secret = given.get("secret")
    if isinstance(secret, str) and secret and not any(name.lower() == "x-vapi-secret" for name in headers):
        headers["x-vapi-secret"] = secret
    timeout = given.get("timeoutSeconds")
    timeout_s = float(timeout) if isinstance(timeout, int | float) else default_timeout_s
    return ToolServer(
        url=str(given["url"]),
        timeout_s=min(300.0, max(1.0, timeout_s)),
        headers=tuple(sorted(headers.items())),
        backoff=read_backoff(given.get("backoffPlan")),
    )


def _server(holder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    server = holder.get("server")
    if isinstance(server, Mapping) and server.get("url"):
        return server
    if holder.get("serverUrl"):
        return {"url": holder["serverUrl"], "secret": holder.get("serverUrlSecret")}
    return None


def read_backoff(plan: Any) -> Backoff:
    """A ``backoffPlan``; none at all repeats nothing."""
    if not isinstance(plan, Mapping):
        return Backoff()
    return Backoff(
        exponential=plan.get("type") == "exponential",
        retries=max(0, min(10, int(plan.get("maxRetries") or 0))),
        base_s=max(0.0, min(10.0, float(plan.get("baseDelaySeconds", 1) or 0))),
        excluded=frozenset(int(code) for code in plan.get("excludedStatusCodes") or ()),
    )


def tool_calls_message(calls: Sequence[CallTool], *, timestamp_ms: int, snapshot: Mapping[str, Any]) -> Json:
    """The request body. ``snapshot`` holds ``call``, ``assistant`` and ``artifact`` as they stand now.

    Arguments are objects, not JSON text: whoever can read the text form reads the object too, not the other way round.
    """
    plain: list[Json] = []
    flat: list[Json] = []
    with_tool: list[Json] = []
    for call in calls:
        arguments = {**call.arguments, **static_parameters(call.tool)}
        function = {"name": call.name, "arguments": arguments}
        plain.append({"id": call.tool_call_id, "type": "function", "function": function})
        flat.append(
            {
                "id": call.tool_call_id,
                "type": "function",
                "name": call.name,
                "arguments": arguments,
                "parameters": arguments,
                "function": function,
            }
        )
        with_tool.append(
            {
                **_shown(call.tool),
                "name": call.name,
                "toolCall": {
                    "id": call.tool_call_id,
                    "type": "function",
                    "name": call.name,
                    "parameters": arguments,
                    "function": function,
                },
            }
        )
    message = {
        "type": "tool-calls",
        "timestamp": timestamp_ms,
        "toolCalls": plain,
        "toolCallList": flat,
        "toolWithToolCallList": with_tool,
    }
    return {"message": {**message, **snapshot}}


def _shown(tool: Mapping[str, Any]) -> Json:
    """The tool's configuration without what authenticates us at its server."""
    shown = dict(tool)
    server = shown.get("server")
    if isinstance(server, Mapping):
        shown["server"] = {key: value for key, value in server.items() if key not in ("secret", "headers")}
    return shown

"""The ``tool-calls`` request as tool servers expect it, https://docs.vapi.ai/server-url/events.

Receivers in the field read one of several shapes of a tool call; every one of them finds its own here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.call.tool_parameters import static_parameters
from media.machine.outputs import CallTool

Json = dict[str, Any]


def tool_calls_message(calls: Sequence[CallTool]) -> Json:
    """The message's own fields.

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
    return {"type": "tool-calls", "toolCalls": plain, "toolCallList": flat, "toolWithToolCallList": with_tool}


def _shown(tool: Mapping[str, Any]) -> Json:
    """The tool's configuration without what authenticates us at its server."""
    shown = dict(tool)
    server = shown.get("server")
    if isinstance(server, Mapping):
        shown["server"] = {key: value for key, value in server.items() if key not in ("secret", "headers")}
    return shown

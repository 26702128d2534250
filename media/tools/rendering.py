"""A tool's configuration as it is at the moment of a call: templates filled in, constants put beside the arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from domain.call.late_templates import rendered_at
from domain.call.tool_parameters import static_parameters
from domain.templates import render
from media.machine.outputs import CallTool


def rendered_tool(call: CallTool, now: datetime) -> dict[str, Any]:
    """The tool with its late templates filled in from the call's variables and what the model filled in."""
    if not call.late:
        return call.tool
    return rendered_at(call.tool, call.late, {**call.variables, **call.arguments}, now)


def sent_arguments(call: CallTool, tool: Mapping[str, Any]) -> dict[str, Any]:
    """What goes to whoever carries the tool out: static parameters win over what the model filled in."""
    return {**call.arguments, **static_parameters(tool)}


def filled(text: str, variables: Mapping[str, Any], now: datetime) -> str:
    """``text`` as a template; as it stands where it is none."""
    return render(text, variables, now=now).text


Now = Callable[[], datetime]
"""The time of day, aware."""

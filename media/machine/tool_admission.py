"""Whether a tool call that a model wants may be made at all: the one gate in front of every tool.

A refusal is told to the model, which may do better. Nothing that a caller or a tool's answer says opens it: it looks
only at what was configured, at the call itself, and at the conversation as the configured conditions want it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from media.machine.arguments import argument_problems, without_nulls
from media.machine.inputs import RequestedTool
from media.machine.rejection import Situation
from media.machine.tool_kinds import refusal_of
from media.machine.tool_plan import ToolPlan

REJECTED = "The call was rejected: the conversation does not allow it now."
MOST_AT_ONCE = 16
"""Tool calls of one answer; what a model asks beyond them is refused."""


def refusal(
    tool: ToolPlan | None, call: RequestedTool, situation: Situation, *, made: int, budget: int, place: int = 0
) -> str:
    """Why the call is not made, as the model is told; empty where it may be.

    ``made`` is how many the conversation has had, of the ``budget`` that it may have; ``place`` is the call's among
    those of the same answer, from 0.
    """
    if tool is None:
        return f"There is no tool named {call.name!r}."
    if call.problem:
        return call.problem
    if tool.kind == "unsupported":
        return refusal_of(tool.type)
    if made >= budget:
        return f"The conversation has had its {budget} tool calls; no more are made."
    if place >= MOST_AT_ONCE:
        return f"At most {MOST_AT_ONCE} tools are called at once."
    if problems := argument_problems(tool.parameters, model_arguments(tool, call.arguments)):
        return f"The arguments do not fit: {problems}."
    if tool.rejection.conditions.met(situation):
        return REJECTED
    return ""


def model_arguments(tool: ToolPlan, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the model filled in, without the nulls by which it leaves out an argument of a strict schema."""
    return without_nulls(tool.parameters, arguments) if tool.strict else dict(arguments)

"""Tool calls that run, and what came of those that are over: on the log, to the client, and to the model."""

from __future__ import annotations

from typing import Any, cast, get_args

import msgspec

from domain.call.events import ToolCalled, ToolCompleted, ToolFailed, ToolFailure
from media.machine import history
from media.machine.inputs import RequestedTool
from media.machine.moment import Moment
from media.machine.state import HistoryEntry, RunningTool, ToolOutcome
from media.machine.tool_delays import DELAY_TIMER
from media.machine.tool_plan import ToolPlan

_FAILURES: frozenset[str] = frozenset(get_args(ToolFailure))


def running(m: Moment, tool_call_id: str) -> RunningTool | None:
    """The call of that id, if it runs."""
    return next((tool for tool in m.state.tools if tool.call.id == tool_call_id), None)


def remove(m: Moment, tool_call_id: str) -> RunningTool | None:
    """Take a call out of those that run; ``None`` for one that does not."""
    found = next((tool for tool in m.state.tools if tool.call.id == tool_call_id), None)
    if found is not None:
        m.set(tools=tuple(tool for tool in m.state.tools if tool is not found))
        m.disarm(DELAY_TIMER + tool_call_id)
    return found


def settle_with(m: Moment, call: RequestedTool, said: str) -> None:
    """A call of the batch is over, and this is to be said of it."""
    m.set(outcomes=(*m.state.outcomes, ToolOutcome(call=call, said=said)))


def called(m: Moment, call: RequestedTool, tool: ToolPlan | None, turn: int) -> None:
    """A tool is asked for; ``tool`` is ``None`` where there is none of that name."""
    sent = call.arguments if tool is None else {**call.arguments, **tool.static_arguments}
    kind = "unknown" if tool is None else tool.type
    m.record(ToolCalled(tool_call_id=call.id, name=call.name, kind=kind, arguments=sent, turn=turn, at_ms=m.now))


def completed(m: Moment, call: RequestedTool, result: str, *, metadata: dict[str, Any] | None = None) -> None:
    """A call is over and has a result: on the log, and to the client."""
    m.record(ToolCompleted(tool_call_id=call.id, name=call.name, result=result, at_ms=m.now))
    told = {"toolCallId": call.id, "name": call.name, "result": result}
    m.notify("tool-calls-result", toolCallResult=told if metadata is None else {**told, "metadata": metadata})
    if "tool.completed" in m.plan.client_messages:
        m.notify("tool.completed", messages=[{"role": "tool_call_result", **told}])
    if metadata is not None and "metadata" in m.plan.client_messages:
        m.notify("metadata", metadata=msgspec.json.encode(metadata).decode())


def failed(m: Moment, call: RequestedTool, failure: str, error: str) -> None:
    """A call came to nothing: on the log, and to the client."""
    m.record(ToolFailed(tool_call_id=call.id, name=call.name, failure=_category(failure), error=error, at_ms=m.now))
    m.notify("tool-calls-result", toolCallResult={"toolCallId": call.id, "name": call.name, "error": error})


def complete(m: Moment, call: RequestedTool, result: str, *, metadata: dict[str, Any] | None = None) -> None:
    """``completed``, and the model is told."""
    completed(m, call, result, metadata=metadata)
    history.add(m, answer(m, call, result))


def _category(failure: str) -> ToolFailure:
    """The failure's name in the log; whatever has none of its own is an error."""
    return cast(ToolFailure, failure) if failure in _FAILURES else "error"


def fail(m: Moment, call: RequestedTool, failure: str, error: str) -> None:
    """``failed``, and the model is told why."""
    failed(m, call, failure, error)
    history.add(m, answer(m, call, error))


def answer(m: Moment, call: RequestedTool, text: str) -> HistoryEntry:
    """What the model is told of a call."""
    return HistoryEntry(
        role="tool_result",
        text=text or history.NO_RESULT,
        call_id=call.id,
        name=call.name,
        started_ms=m.now,
        ended_ms=m.now,
    )


def shown(call: RequestedTool) -> dict[str, Any]:
    """A call as client messages show it."""
    function = {"name": call.name, "arguments": call.arguments}
    return {
        "id": call.id,
        "type": "function",
        **function,
        "parameters": call.arguments,
        "function": function,
    }

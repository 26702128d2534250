"""Tool calls that run, and what came of those that are over: on the log, to the client, and to the model."""

from __future__ import annotations

from typing import Any, cast, get_args

from domain.call.events import ToolCompleted, ToolFailed, ToolFailure
from media.machine import history
from media.machine.inputs import RequestedTool
from media.machine.moment import Moment
from media.machine.state import HistoryEntry, RunningTool, ToolOutcome
from media.machine.tool_delays import DELAY_TIMER

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


def complete(m: Moment, call: RequestedTool, result: str, *, metadata: dict[str, Any] | None = None) -> None:
    """What the model is told of a call that is over."""
    m.record(ToolCompleted(tool_call_id=call.id, name=call.name, result=result, at_ms=m.now))
    shown: dict[str, Any] = {"toolCallId": call.id, "name": call.name, "result": result}
    if metadata is not None:
        shown["metadata"] = metadata
    _put_result(m, call, result, shown)


def category(failure: str) -> ToolFailure:
    """The failure's name in the log; whatever has none of its own is an error."""
    return cast(ToolFailure, failure) if failure in _FAILURES else "error"


def fail(m: Moment, call: RequestedTool, failure: str, error: str) -> None:
    """The model is told why a call came to nothing."""
    m.record(ToolFailed(tool_call_id=call.id, name=call.name, failure=category(failure), error=error, at_ms=m.now))
    _put_result(m, call, error, {"toolCallId": call.id, "name": call.name, "error": error})


def _put_result(m: Moment, call: RequestedTool, text: str, shown: dict[str, Any]) -> None:
    m.notify("tool-calls-result", toolCallResult=shown)
    entry = HistoryEntry(
        role="tool_result",
        text=text or history.NO_RESULT,
        call_id=call.id,
        name=call.name,
        started_ms=m.now,
        ended_ms=m.now,
    )
    history.add(m, entry)


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

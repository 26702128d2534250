"""Outcomes of tool calls as the call machine takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from media.machine.inputs import Input, ToolErred, ToolReturned
from media.machine.outputs import CallTool
from media.tools.outcome import Answered, Failed, Outcome


def report(
    calls: Sequence[CallTool],
    outcomes: Mapping[str, Outcome],
    feed: Callable[[Input], None],
    warn: Callable[[str, str], None],
) -> None:
    """Feed each outcome; of detached calls only a failure is told, as a warning."""
    for call in calls:
        outcome = outcomes[call.tool_call_id]
        if call.detached:
            if isinstance(outcome, Failed):
                warn("async-tool-failed", f"{call.name}: {outcome.failure}")
            continue
        match outcome:
            case Answered(result=result, message=message, metadata=metadata, truncated=truncated, variables=variables):
                if truncated:
                    warn("oversized-tool-response", f"{call.name}: {truncated} characters of its result were cut")
                feed(
                    ToolReturned(
                        tool_call_id=call.tool_call_id,
                        result=result,
                        message=message,
                        metadata=metadata,
                        variables=variables,
                    )
                )
            case Failed(failure=failure, error=error, message=message):
                feed(ToolErred(tool_call_id=call.tool_call_id, failure=failure, error=error, message=message))

"""Hooks: what an assistant has done on given occasions, beside what the conversation itself asks for.

A hook's tool does not belong to an answer of the model: it is not in the history, nobody waits for it, and the model is
not asked afterwards. Only the end of the call waits for it. https://docs.vapi.ai/assistants/assistant-hooks
"""

from __future__ import annotations

from typing import Final

from domain.call.events import HookTriggered, TransferEnded, TransferRequested
from media.machine import answering, ending, handovers, history, speaking, tool_results, tools, transfers, variables
from media.machine.destinations import ARGUMENT
from media.machine.hook_plan import (
    CALL_ENDING,
    CUSTOMER_SILENT,
    LOW_CONFIDENCE,
    TIME_ELAPSED,
    Action,
    AddMessage,
    HookPlan,
    RunTool,
    Say,
)
from media.machine.inputs import RequestedTool, ToolErred, ToolReturned, TransferProgressed
from media.machine.moment import Moment
from media.machine.outputs import Transfer
from media.machine.state import RunningTool
from media.machine.tool_kinds import refusal_of
from media.machine.tool_plan import Moment as Occasion
from media.machine.tool_plan import ToolPlan

SILENCE_TIMER: Final = "hook:"
ELAPSED_TIMER: Final = "hook-elapsed:"
CALL_ID: Final = "hook-function-call"
ENDING_LIMIT_MS: Final = 20_000.0
"""How long the end of a call waits for tools that were called because of it."""
_TOO_LATE = "The call is ending."


def fire(m: Moment, on: str, facts: dict[str, str] | None = None) -> None:
    """Do what the hooks on this occasion say, in their order."""
    for index, hook in enumerate(m.plan.hooks):
        if hook.on == on and hook.passes(facts or {}):
            _trigger(m, hook, index)


def on_connected(m: Moment) -> None:
    """From now on time counts; another assistant later in the call does not count anew."""
    elapsed = tuple(hook for hook in m.plan.hooks if hook.on == TIME_ELAPSED)
    m.set(elapsed_hooks=elapsed)
    for index, hook in enumerate(elapsed):
        m.arm(f"{ELAPSED_TIMER}{index}", m.now + hook.after_ms)


def on_timer(m: Moment, timer: str) -> bool:
    """Whether the timer is a hook's; what it asks for is done then."""
    if timer.startswith(ELAPSED_TIMER):
        _trigger(m, m.state.elapsed_hooks[int(timer.removeprefix(ELAPSED_TIMER))], None)
        return True
    if timer.startswith(SILENCE_TIMER):
        index = int(timer.removeprefix(SILENCE_TIMER))
        _trigger(m, m.plan.hooks[index], index)
        if not m.state.utterances and not m.state.answer_owed and m.state.end_reason is None:
            _arm(m, index)
        return True
    return False


def wait(m: Moment) -> None:
    """Nobody speaks and nobody has to: from now on the caller is silent."""
    for index, hook in enumerate(m.plan.hooks):
        if hook.on == CUSTOMER_SILENT:
            _arm(m, index)


def stop_waiting(m: Moment) -> None:
    """Somebody speaks or has to."""
    for timer in [name for name in m.state.timers if name.startswith(SILENCE_TIMER)]:
        m.disarm(timer)


def caller_spoke(m: Moment) -> None:
    """Hooks that count anew when the caller speaks do."""
    anew = {index for index, hook in enumerate(m.plan.hooks) if hook.reset_on_user_speech}
    if anew & m.state.hook_counts.keys():
        m.set(hook_counts={index: count for index, count in m.state.hook_counts.items() if index not in anew})


def heard_with_confidence(m: Moment, confidence: float) -> None:
    """A final fragment, how sure the transcriber is of it."""
    for index, hook in enumerate(m.plan.hooks):
        if hook.on == LOW_CONFIDENCE and hook.confidence_min <= confidence <= hook.confidence_max:
            _trigger(m, hook, index)


def on_ending(m: Moment) -> None:
    """Once, while the call is closing. The end waits a little for the tools that this calls."""
    reason = m.state.end_reason
    if reason is None or m.state.ending_hooks_done:
        return
    m.set(ending_hooks_done=True)
    fire(m, CALL_ENDING, {"call.endedReason": reason})
    if m.state.hook_tools:
        m.arm(ending.TIMER, m.now + ENDING_LIMIT_MS)


def on_returned(m: Moment, returned: ToolReturned) -> None:
    """A hook's tool has answered."""
    running = _remove(m, returned.tool_call_id)
    if running is None:
        return
    tool_results.completed(m, running.call, returned.result)
    variables.take(m, returned.variables, running.call.id)
    _say_of_tool(m, running, "request-complete")


def on_erred(m: Moment, erred: ToolErred) -> None:
    """A hook's tool has failed: that is recorded, and said where the tool has words for it."""
    running = _remove(m, erred.tool_call_id)
    if running is None:
        return
    tool_results.failed(m, running.call, erred.failure, erred.error)
    _say_of_tool(m, running, "request-failed")


def on_transfer(m: Moment, progress: TransferProgressed) -> None:
    """What became of a transfer with which a call ends."""
    running = _remove(m, progress.transfer_id)
    if running is None:
        return
    m.record(
        TransferEnded(transfer_id=progress.transfer_id, status=progress.status, detail=progress.detail, at_ms=m.now)
    )
    if progress.status in ("connected", "completed"):
        tool_results.completed(m, running.call, "The call was transferred.")
    else:
        tool_results.failed(m, running.call, "error", progress.detail or f"The transfer ended with {progress.status}.")


def _arm(m: Moment, index: int) -> None:
    hook = m.plan.hooks[index]
    if m.state.hook_counts.get(index, 0) < hook.max_count:
        m.arm(f"{SILENCE_TIMER}{index}", m.now + hook.after_ms)


def _trigger(m: Moment, hook: HookPlan, index: int | None) -> None:
    count = 1
    if index is not None:
        count = m.state.hook_counts.get(index, 0) + 1
        m.set(hook_counts={**m.state.hook_counts, index: count})
    names = tuple(_name(action) for action in hook.actions)
    m.record(HookTriggered(on=hook.on, name=hook.name, actions=names, count=count, at_ms=m.now))
    for action in hook.actions:
        match action:
            case Say():
                _say(m, action)
            case AddMessage():
                _add(m, action)
            case RunTool(tool=tool):
                run_tool(m, tool)


def _name(action: Action) -> str:
    match action:
        case Say():
            return "say"
        case AddMessage():
            return "message.add"
        case RunTool(tool=tool):
            return f"tool:{tool.name}"


def _say(m: Moment, action: Say) -> None:
    if m.state.end_reason is not None:
        return
    if action.exact:
        speaking.say(m, variables.rendered(m, m.pick(action.exact)), "hook")
        return
    transcript = history.spoken_transcript(m.state)
    prompt = tuple(
        {**message, "content": variables.rendered(m, message["content"], transcript=transcript)}
        for message in action.prompt
    )
    m.set(answer_owed=True, answer_prompt=prompt)


def _add(m: Moment, action: AddMessage) -> None:
    history.commit_added(m, action.role, variables.rendered(m, action.content))
    if not action.answered or m.state.end_reason is not None:
        return
    if m.state.request is not None and m.state.request.utterance_id is None:
        answering.abort(m)
    m.set(answer_owed=True)


def run_tool(m: Moment, tool: ToolPlan) -> None:
    """Call a tool beside the conversation: nobody waits for it, and the model is not asked afterwards."""
    number = m.state.hook_calls + 1
    call = RequestedTool(CALL_ID if number == 1 else f"{CALL_ID}-{number}", tool.name, _arguments(tool))
    m.set(hook_calls=number, call_ids=m.state.call_ids | {call.id})
    tool_results.called(m, call, tool, m.state.turn)
    m.notify("tool-calls", toolCallList=[tool_results.shown(call)])
    if tool.kind == "unsupported":
        tool_results.failed(m, call, "rejected", refusal_of(tool.type))
    elif m.state.tools_called >= m.plan.tool_budget:
        tool_results.failed(m, call, "rejected", f"The conversation has had its {m.plan.tool_budget} tool calls.")
    else:
        m.set(tools_called=m.state.tools_called + 1)
        _start(m, call, tool)


def _start(m: Moment, call: RequestedTool, tool: ToolPlan) -> None:
    match tool.kind:
        case "endCall" | "voicemail":
            tool_results.completed(m, call, tools.ENDING_RESULT)
            if m.state.end_reason is None:
                tools.end_call(m, call, tool)
        case "client":
            tool_results.completed(m, call, tools.CLIENT_RESULT)
        case "transferCall" if m.state.end_reason is not None:
            _transfer_at_the_end(m, call, tool)
        case "handoff" | "transferCall":
            _leave(m, call, tool)
        case _:
            m.emit(tools.order(m, call, tool))
            if tool.detached:
                tool_results.completed(m, call, tools.ASYNC_RESULT)
                return
            running = RunningTool(call=call, plan=tool, started_ms=m.now)
            m.set(hook_tools=(*m.state.hook_tools, running))
            _say_of_tool(m, running, "request-start")


def _leave(m: Moment, call: RequestedTool, tool: ToolPlan) -> None:
    """Hand-offs and transfers go the way of those that the model asks for."""
    taken = m.state.handover is not None or any(each.plan.kind == tool.kind for each in m.state.tools)
    if m.state.end_reason is not None or taken:
        tool_results.failed(
            m, call, "rejected", _TOO_LATE if not taken else "The conversation is being handed over already."
        )
        return
    started = handovers.start(m, call, tool) if tool.kind == "handoff" else transfers.start(m, call, tool)
    if isinstance(started, str):
        tool_results.failed(m, call, "rejected", started)
        return
    answering.abort(m)
    m.set(tools=(*m.state.tools, started))


def _transfer_at_the_end(m: Moment, call: RequestedTool, tool: ToolPlan) -> None:
    """Instead of hanging up, connect the caller to somebody."""
    destination = next((each for each in tool.destinations if each.type != "assistant"), None)
    if destination is None:
        tool_results.failed(m, call, "rejected", _TOO_LATE)
        return
    m.record(TransferRequested(transfer_id=call.id, destination=destination.config, mode=destination.mode, at_ms=m.now))
    if m.plan.transport.name not in transfers.CARRIERS:
        m.record(TransferEnded(transfer_id=call.id, status="failed", detail=transfers.NO_CARRIER, at_ms=m.now))
        tool_results.failed(m, call, "error", transfers.NO_CARRIER)
        return
    m.emit(Transfer(transfer_id=call.id, destination=destination.config))
    running = RunningTool(call=call, plan=tool, started_ms=m.now, destination=destination)
    m.set(hook_tools=(*m.state.hook_tools, running))


def _arguments(tool: ToolPlan) -> dict[str, object]:
    """A tool that goes somewhere goes to the first place it names."""
    return {ARGUMENT: tool.destinations[0].key} if tool.destinations else {}


def _say_of_tool(m: Moment, running: RunningTool, moment: Occasion) -> None:
    """Only what was configured: a hook keeps nobody waiting, so there is nothing to fill."""
    if m.state.end_reason is not None or not running.plan.config.get("messages"):
        return
    found = running.plan.at(moment, running.call.arguments, m.state.language)
    texts = [message.text for message in found if message.text and message.role == "assistant"]
    if texts:
        speaking.say(m, variables.rendered(m, m.pick(texts)), "hook")


def _remove(m: Moment, tool_call_id: str) -> RunningTool | None:
    found = next((running for running in m.state.hook_tools if running.call.id == tool_call_id), None)
    if found is not None:
        m.set(hook_tools=tuple(running for running in m.state.hook_tools if running is not found))
    return found

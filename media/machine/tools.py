"""Tool calls: what is said before, meanwhile and afterwards, and what the model is told.

Sequence and precedence follow Vapi's public tool schema: a message the tool's server sent with its result, then the
tool's own ``request-complete`` or ``request-failed``, then the model's own words.
"""

from __future__ import annotations

from typing import Any, get_args

from msgspec.structs import replace

from domain.call.events import ToolCalled, ToolCompleted, ToolFailed, ToolFailure, Warned
from media.machine import answering, ending, history, speaking
from media.machine.inputs import ModelCalledTools, RequestedTool, ToolErred, ToolReturned
from media.machine.moment import Moment
from media.machine.outputs import CallTool
from media.machine.reading import PlanInvalid
from media.machine.rejection import Said
from media.machine.state import HistoryEntry, ModelRequest, RunningTool, ToolOutcome
from media.machine.tool_plan import MESSAGE_SPACING_MS, ToolMessage, ToolPlan, read_message

DELAY_TIMER = "tool-delay:"
ENDED_BY_TOOL = "assistant-ended-call"
ENDED_AFTER_MESSAGE = "assistant-ended-call-after-message-spoken"
ASYNC_RESULT = "The request was sent."
CLIENT_RESULT = "The request was handed to the caller's client."
ENDING_RESULT = "The call ends."
MOST_ROUNDS = 25
"""Answers in a row that call tools before the caller has said anything more: a model that goes on is in a loop."""

_FAILURES: frozenset[str] = frozenset(get_args(ToolFailure))


def on_called(m: Moment, called: ModelCalledTools) -> None:
    """The model's answer is a set of tool calls; text of the same answer is not spoken unless it can be heard."""
    request = m.state.request
    if request is None or request.request_id != called.request_id or request.called_tools:
        return
    request = replace(request, called_tools=True)
    m.set(request=request)
    audible = _silence_text(m, request)
    if m.state.user is not None and m.state.user.decided:
        history.commit_user(m)
    calls = _distinct(m, request, called.calls)
    history.add(m, HistoryEntry(role="tool_calls", calls=calls, started_ms=m.now, ended_ms=m.now))
    shown = [_shown(call) for call in calls]
    m.notify("model-output", output=shown, turnId=answering.turn_id(request))
    m.notify("tool-calls", toolCallList=shown)
    for call in calls:
        tool = m.plan.tools.get(call.name)
        kind = "unknown" if tool is None else tool.type
        event = ToolCalled(
            tool_call_id=call.id, name=call.name, kind=kind, arguments=call.arguments, turn=request.turn, at_ms=m.now
        )
        m.record(event)
    filled = audible
    for call in calls:
        filled = _start(m, call, m.plan.tools.get(call.name), filled)
    end_call = next((call for call in calls if _is_end_call(m, call)), None)
    if end_call is not None:
        _end_call(m, end_call)


def on_returned(m: Moment, returned: ToolReturned) -> None:
    """A tool server has answered."""
    running = _remove(m, returned.tool_call_id)
    if running is None:
        return
    message = _message(m, returned.message) if returned.message else None
    if message is None and returned.result:
        variants = running.plan.at("request-complete", running.call.arguments)
        message = variants[m.state.variants_used % len(variants)] if variants else None
    _complete(m, running.call, returned.result, metadata=returned.metadata)
    _settle(m, running.call, message)


def on_erred(m: Moment, erred: ToolErred) -> None:
    """A tool call has failed: the model is told, the caller hears the failed message, the call goes on."""
    running = _remove(m, erred.tool_call_id)
    if running is None:
        return
    message = _message(m, erred.message) if erred.message else None
    if message is None:
        variants = running.plan.at("request-failed", running.call.arguments)
        message = variants[m.state.variants_used % len(variants)] if variants else None
    _fail(m, running.call, erred.failure, erred.error)
    _settle(m, running.call, message)


def on_delay(m: Moment, tool_call_id: str) -> None:
    """A tool takes its time: say so, unless something else is being said or was just said."""
    running = next((tool for tool in m.state.tools if tool.call.id == tool_call_id), None)
    if running is None:
        return
    stages = _delay_stages(running)
    if running.delays_said >= len(stages) or m.state.end_reason is not None:
        return
    quiet_from = m.state.last_said_ms + MESSAGE_SPACING_MS
    if m.state.utterances or m.state.user is not None or m.state.user_voiced:
        m.arm(DELAY_TIMER + tool_call_id, m.now + MESSAGE_SPACING_MS)
        return
    if m.now < quiet_from:
        m.arm(DELAY_TIMER + tool_call_id, quiet_from)
        return
    speaking.say(m, m.pick(stages[running.delays_said][1]), "tool-message", cacheable=True)
    running = replace(running, delays_said=running.delays_said + 1)
    m.set(tools=tuple(running if tool.call.id == tool_call_id else tool for tool in m.state.tools))
    _arm_delay(m, running)


def settle(m: Moment) -> None:
    """Send out what waited for a message to be spoken; go on when every call of the batch was answered."""
    if m.state.end_reason is not None:
        return
    for running in m.state.tools:
        if not running.sent and not any(running.call.id in u.releases for u in m.state.utterances):
            _send(m, running)
    if m.state.outcomes and not m.state.tools and m.state.request is None:
        _go_on(m)


def _go_on(m: Moment) -> None:
    outcomes = m.state.outcomes
    m.set(outcomes=())
    for outcome in outcomes:
        if outcome.instruction:
            history.commit_added(m, "system", outcome.instruction)
    caller_waits = m.state.user is not None or m.state.answer_owed
    if not caller_waits and _rounds_since_the_caller(m) >= MOST_ROUNDS:
        detail = f"The model called tools {MOST_ROUNDS} times in a row; it is not asked again before the caller speaks."
        m.record(Warned(code="tool-loop", detail=detail, at_ms=m.now))
        return
    if caller_waits or not all(outcome.said for outcome in outcomes):
        m.set(answer_owed=True)
        return
    end_reason = ENDED_AFTER_MESSAGE if any(outcome.ends_call for outcome in outcomes) else None
    text = " ".join(outcome.said for outcome in outcomes)
    speaking.say(m, text, "tool-message", gate_ms=m.state.answer_gate_ms, end_reason=end_reason)


def _rounds_since_the_caller(m: Moment) -> int:
    rounds = 0
    for entry in reversed(m.state.history):
        if entry.role == "user":
            break
        rounds += entry.role == "tool_calls"
    return rounds


def _start(m: Moment, call: RequestedTool, tool: ToolPlan | None, filled: bool) -> bool:
    """Begin one call; returns whether something is being said about the wait."""
    if tool is None:
        _refuse(m, call, f"There is no tool named {call.name!r}.")
    elif call.problem:
        _refuse(m, call, call.problem)
    elif tool.kind == "unsupported":
        _refuse(m, call, f"Tools of type {tool.type!r} are not supported by this server.")
    elif _is_rejected(m, tool):
        _refuse(m, call, "The call was rejected: the conversation does not allow it now.")
    elif tool.kind == "endCall":
        _complete(m, call, ENDING_RESULT)
    elif tool.kind == "client":
        _complete(m, call, CLIENT_RESULT)
    elif tool.detached:
        _call_tool(m, call, tool)
        _complete(m, call, ASYNC_RESULT)
        _settle(m, call, None)
    else:
        return _start_and_wait(m, call, tool, filled)
    return filled


def _start_and_wait(m: Moment, call: RequestedTool, tool: ToolPlan, filled: bool) -> bool:
    variants = [message for message in tool.at("request-start", call.arguments) if message.text]
    own = "messages" in tool.config and tool.config["messages"] is not None
    running = RunningTool(call=call, plan=tool, started_ms=m.now)
    if variants and (own or not filled):
        message = variants[m.state.variants_used % len(variants)]
        m.pick([message.text])
        running = replace(running, sent=not message.blocking)
        releases = (call.id,) if message.blocking else ()
        utterance_id = m.state.utterance_count + 1
        gate_ms = m.state.answer_gate_ms
        speaking.say(m, message.text, "tool-message", cacheable=True, gate_ms=gate_ms, releases=releases)
        if m.utterance(utterance_id) is not None:
            speaking.take_anchors(m, utterance_id, replace(m.state.answer_anchors, t3=None))
        filled = True
    m.set(tools=(*m.state.tools, running))
    _arm_delay(m, running)
    if running.sent:
        _call_tool(m, call, tool)
    return filled


def _silence_text(m: Moment, request: ModelRequest) -> bool:
    """Drop the text that came with the calls; what plays already is closed and finished. Tells whether it plays."""
    utterance = m.utterance(request.utterance_id)
    if utterance is None:
        return False
    if utterance.opened:
        if not utterance.stopping:
            speaking.close(m, utterance.utterance_id)
        return True
    speaking.drop(m, utterance)
    m.set(answer_anchors=replace(utterance.anchors, t3=None, t4=None))
    return False


def _distinct(m: Moment, request: ModelRequest, calls: tuple[RequestedTool, ...]) -> tuple[RequestedTool, ...]:
    """The calls under ids that the conversation has not seen: some models number each answer's calls from 0."""
    seen = {call.id for entry in m.state.history for call in entry.calls}
    distinct = []
    for number, call in enumerate(calls):
        call_id = call.id if call.id and call.id not in seen else f"{call.id or 'call'}-{request.request_id}-{number}"
        seen.add(call_id)
        distinct.append(replace(call, id=call_id, arguments=_arguments(m, call)))
    return tuple(distinct)


def _arguments(m: Moment, call: RequestedTool) -> dict[str, Any]:
    tool = m.plan.tools.get(call.name)
    return {**call.arguments, **tool.static_arguments} if tool is not None else call.arguments


def _is_end_call(m: Moment, call: RequestedTool) -> bool:
    tool = m.plan.tools.get(call.name)
    return tool is not None and tool.kind == "endCall" and not call.problem and not _is_rejected(m, tool)


def _is_rejected(m: Moment, tool: ToolPlan) -> bool:
    roles = ("user", "assistant")
    said = [Said(entry.role, entry.text) for entry in m.state.history if entry.role in roles]
    return tool.rejection.conditions.met(said)


def _end_call(m: Moment, call: RequestedTool) -> None:
    variants = m.plan.tools[call.name].at("request-start", call.arguments)
    farewell = next((message.text for message in variants if message.text), "") or m.plan.end_call_message
    ending.begin(m, ENDED_BY_TOOL, farewell)


def _send(m: Moment, running: RunningTool) -> None:
    m.set(tools=tuple(replace(tool, sent=True) if tool is running else tool for tool in m.state.tools))
    _call_tool(m, running.call, running.plan)


def _call_tool(m: Moment, call: RequestedTool, tool: ToolPlan) -> None:
    m.emit(
        CallTool(
            tool_call_id=call.id, name=call.name, arguments=call.arguments, tool=tool.config, detached=tool.detached
        )
    )


def _refuse(m: Moment, call: RequestedTool, why: str) -> None:
    _fail(m, call, "rejected", why)
    _settle(m, call, None)


def _complete(m: Moment, call: RequestedTool, result: str, *, metadata: dict[str, Any] | None = None) -> None:
    m.record(ToolCompleted(tool_call_id=call.id, name=call.name, result=result, at_ms=m.now))
    shown: dict[str, Any] = {"toolCallId": call.id, "name": call.name, "result": result}
    if metadata is not None:
        shown["metadata"] = metadata
    _put_result(m, call, result, shown)


def _fail(m: Moment, call: RequestedTool, failure: str, error: str) -> None:
    category: Any = failure if failure in _FAILURES else "error"
    m.record(ToolFailed(tool_call_id=call.id, name=call.name, failure=category, error=error, at_ms=m.now))
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


def _settle(m: Moment, call: RequestedTool, message: ToolMessage | None) -> None:
    outcome = ToolOutcome(call=call)
    if message is not None and message.role == "system":
        outcome = replace(outcome, instruction=message.text)
    elif message is not None:
        m.pick([message.text])
        outcome = replace(outcome, said=message.text.strip(), ends_call=message.ends_call)
    m.set(outcomes=(*m.state.outcomes, outcome))


def _remove(m: Moment, tool_call_id: str) -> RunningTool | None:
    found = next((tool for tool in m.state.tools if tool.call.id == tool_call_id), None)
    if found is not None:
        m.set(tools=tuple(tool for tool in m.state.tools if tool is not found))
        m.disarm(DELAY_TIMER + tool_call_id)
    return found


def _message(m: Moment, values: dict[str, Any]) -> ToolMessage | None:
    """A message sent by the tool server; one that cannot be read is left out with a warning."""
    try:
        message = read_message({"type": "request-complete", **values}, "results[].message")
    except PlanInvalid as error:
        m.record(Warned(code="tool-message-invalid", detail=str(error), at_ms=m.now))
        return None
    return message if message.text else None


def _delay_stages(running: RunningTool) -> list[tuple[float, list[str]]]:
    """Delay messages by their time; several of one time are variants."""
    stages: dict[float, list[str]] = {}
    for message in running.plan.at("request-response-delayed", running.call.arguments):
        if message.text:
            stages.setdefault(message.after_ms, []).append(message.text)
    return sorted(stages.items())


def _arm_delay(m: Moment, running: RunningTool) -> None:
    stages = _delay_stages(running)
    if running.delays_said < len(stages):
        m.arm(DELAY_TIMER + running.call.id, running.started_ms + stages[running.delays_said][0])


def _shown(call: RequestedTool) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {
        "id": call.id,
        "type": "function",
        **function,
        "parameters": call.arguments,
        "function": function,
    }

"""Tool calls: what is said before, meanwhile and afterwards, and what the model is told.

Sequence and precedence follow Vapi's public tool schema: a message the tool's server sent with its result, then the
tool's own ``request-complete`` or ``request-failed``, then the model's own words.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from domain.call.events import Warned
from media.machine import (
    answering,
    ending,
    handovers,
    history,
    hooks,
    speaking,
    speculation,
    tool_results,
    transfers,
    variables,
)
from media.machine.inputs import ModelCalledTools, RequestedTool, ToolErred, ToolReturned
from media.machine.moment import Moment
from media.machine.outputs import CallTool
from media.machine.reading import PlanInvalid
from media.machine.rejection import Said, Situation
from media.machine.state import HistoryEntry, ModelRequest, RunningTool, ToolOutcome
from media.machine.tool_admission import model_arguments, refusal
from media.machine.tool_delays import arm_delay
from media.machine.tool_plan import ToolMessage, ToolPlan, read_message
from media.machine.tool_results import complete, fail, remove, shown

ENDED_BY_TOOL = "assistant-ended-call"
ENDED_AFTER_MESSAGE = "assistant-ended-call-after-message-spoken"
ASYNC_RESULT = "The request was sent."
CLIENT_RESULT = "The request was handed to the caller's client."
LONGEST_CLIENT_ANSWER = 8_192
ENDING_RESULT = "The call ends."
VOICEMAIL_REASON = "voicemail"
MOST_ROUNDS = 25
"""Answers in a row that call tools before the caller has said anything more: a model that goes on is in a loop."""


def on_called(m: Moment, called: ModelCalledTools) -> None:
    """The model's answer is a set of tool calls; text of the same answer is not spoken unless it can be heard."""
    if speculation.on_called(m, called):
        return
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
    listed = [shown(call) for call in calls]
    m.notify("model-output", output=listed, turnId=answering.turn_id(request))
    m.notify("tool-calls", toolCallList=listed)
    for call in calls:
        tool_results.called(m, call, m.plan.tools.get(call.name), request.turn)
    situation = _situation(m)
    filled, ends = audible, None
    refusals: list[HistoryEntry] = []
    for place, call in enumerate(calls):
        tool = m.plan.tools.get(call.name)
        made, budget = m.state.tools_called, m.plan.tool_budget
        why = refusal(tool, call, situation, made=made, budget=budget, place=place)
        if tool is None or why:
            refusals.append(_refuse(m, call, why))
            continue
        m.set(tools_called=made + 1)
        if tool.kind in ("endCall", "voicemail"):
            complete(m, call, ENDING_RESULT)
            ends = ends or (call, tool)
        else:
            filled = _start(m, call, tool, filled)
    if refusals:
        history.add(m, *refusals)
    if ends is not None:
        end_call(m, *ends)


def on_returned(m: Moment, returned: ToolReturned) -> None:
    """A tool server has answered."""
    running = remove(m, returned.tool_call_id)
    if running is None:
        hooks.on_returned(m, returned)
        return
    message = _message(m, returned.message) if returned.message else None
    if message is None and returned.result:
        variants = running.plan.at("request-complete", running.call.arguments, m.state.language)
        message = variants[m.state.variants_used % len(variants)] if variants else None
    complete(m, running.call, returned.result, metadata=returned.metadata)
    variables.take(m, returned.variables, running.call.id)
    _settle(m, running.call, message)


def on_erred(m: Moment, erred: ToolErred) -> None:
    """A tool call has failed: the model is told, the caller hears the failed message, the call goes on."""
    running = remove(m, erred.tool_call_id)
    if running is None:
        hooks.on_erred(m, erred)
        return
    message = _message(m, erred.message) if erred.message else None
    if message is None:
        variants = running.plan.at("request-failed", running.call.arguments, m.state.language)
        message = variants[m.state.variants_used % len(variants)] if variants else None
    fail(m, running.call, erred.failure, erred.error)
    _settle(m, running.call, message)


def on_client_answer(m: Moment, message: dict[str, Any]) -> bool:
    """A client tells what came of a tool that runs there; whether it is one that was asked of it."""
    call_id = message.get("toolCallId")
    entry = next((each for each in m.state.history if each.role == "tool_result" and each.call_id == call_id), None)
    tool = m.plan.tools.get(entry.name) if entry is not None else None
    if entry is None or tool is None or tool.kind != "client":
        return False
    said = message.get("error") or message.get("result")
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    what = "failed" if message.get("error") else "answered"
    history.commit_added(m, "tool", f"{entry.name} ({entry.call_id}) {what}: {text[:LONGEST_CLIENT_ANSWER]}")
    m.set(answer_owed=True)
    return True


def settle(m: Moment) -> None:
    """Send out what waited for a message to be spoken; go on when every call of the batch was answered."""
    if m.state.end_reason is not None:
        return
    for running in m.state.tools:
        if not running.sent and not any(running.call.id in u.releases for u in m.state.utterances):
            _send(m, running)
    if m.state.handover is not None:
        handovers.settle(m)
        return
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


def _start(m: Moment, call: RequestedTool, tool: ToolPlan, filled: bool) -> bool:
    """Begin one call; returns whether something is being said about the wait."""
    if tool.kind in ("handoff", "transferCall"):
        return _start_leaving(m, call, tool, filled)
    if tool.kind == "client":
        complete(m, call, CLIENT_RESULT)
    elif tool.detached:
        _call_tool(m, call, tool)
        complete(m, call, ASYNC_RESULT)
        _settle(m, call, None)
    else:
        return _start_and_wait(m, call, tool, filled)
    return filled


def _start_leaving(m: Moment, call: RequestedTool, tool: ToolPlan, filled: bool) -> bool:
    """A hand-off or a transfer: one at a time."""
    if m.state.handover is not None or any(running.plan.kind == tool.kind for running in m.state.tools):
        history.add(m, _refuse(m, call, "The conversation is being handed over already."))
        return filled
    started = handovers.start(m, call, tool) if tool.kind == "handoff" else transfers.start(m, call, tool)
    if isinstance(started, str):
        history.add(m, _refuse(m, call, started))
        return filled
    variants = [message.text for message in tool.at("request-start", call.arguments, m.state.language) if message.text]
    announced = transfers.announcement(m, started) if tool.kind == "transferCall" else ""
    said = m.pick(variants) if variants else announced
    if said:
        say_with_anchors(m, said, releases=(call.id,))
    m.set(tools=(*m.state.tools, started))
    return filled or bool(said)


def _start_and_wait(m: Moment, call: RequestedTool, tool: ToolPlan, filled: bool) -> bool:
    message = _start_message(m, call, tool, filled)
    running = RunningTool(call=call, plan=tool, started_ms=m.now, sent=message is None or not message.blocking)
    m.set(tools=(*m.state.tools, running))
    arm_delay(m, running)
    if running.sent:
        _call_tool(m, call, tool)
    return filled or message is not None


def _start_message(m: Moment, call: RequestedTool, tool: ToolPlan, filled: bool) -> ToolMessage | None:
    """Say what the tool says when it starts; a filler only where nothing is being said about the wait."""
    variants = [message for message in tool.at("request-start", call.arguments, m.state.language) if message.text]
    own = "messages" in tool.config and tool.config["messages"] is not None
    if not variants or (filled and not own):
        return None
    message = variants[m.state.variants_used % len(variants)]
    m.pick([message.text])
    say_with_anchors(m, message.text, releases=(call.id,) if message.blocking else ())
    return message


def say_with_anchors(m: Moment, text: str, *, releases: tuple[str, ...] = ()) -> None:
    """Say something about a tool; as the first thing said in a turn it takes the turn's measuring points with it."""
    utterance_id = m.state.utterance_count + 1
    text = variables.rendered(m, text)
    speaking.say(m, text, "tool-message", cacheable=True, gate_ms=m.state.answer_gate_ms, releases=releases)
    if m.utterance(utterance_id) is not None:
        speaking.take_anchors(m, utterance_id, replace(m.state.answer_anchors, t3=None))


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
    seen = set(m.state.call_ids)
    distinct = []
    for number, call in enumerate(calls):
        call_id = call.id if call.id and call.id not in seen else f"{call.id or 'call'}-{request.request_id}-{number}"
        seen.add(call_id)
        distinct.append(replace(call, id=call_id))
    m.set(call_ids=frozenset(seen))
    return tuple(distinct)


def _situation(m: Moment) -> Situation:
    roles = ("user", "assistant")
    said = [Said(entry.role, entry.text) for entry in m.state.history if entry.role in roles]
    return Situation(messages=said, variables=m.state.variables, now_ms=m.plan.clock_origin_ms + m.now)


def end_call(m: Moment, call: RequestedTool, tool: ToolPlan) -> None:
    """The call ends, with what the tool says at its start or what the assistant says at the end."""
    variants = tool.at("request-start", call.arguments, m.state.language)
    own = next((message.text for message in variants if message.text), "")
    if tool.kind == "voicemail":
        ending.begin(m, VOICEMAIL_REASON, own or m.plan.voicemail_message)
    else:
        ending.begin(m, ENDED_BY_TOOL, own or m.plan.end_call_message)


def _send(m: Moment, running: RunningTool) -> None:
    if running.plan.kind == "transferCall":
        transfers.send(m, running)
        return
    m.set(tools=tuple(replace(tool, sent=True) if tool is running else tool for tool in m.state.tools))
    _call_tool(m, running.call, running.plan)


def _call_tool(m: Moment, call: RequestedTool, tool: ToolPlan) -> None:
    m.emit(order(m, call, tool))


def order(m: Moment, call: RequestedTool, tool: ToolPlan) -> CallTool:
    """What the shell has to carry out."""
    return CallTool(
        tool_call_id=call.id,
        name=call.name,
        arguments=model_arguments(tool, call.arguments),
        tool=tool.config,
        detached=tool.detached,
        late=tool.late,
        variables=m.state.variables,
    )


def _refuse(m: Moment, call: RequestedTool, why: str) -> HistoryEntry:
    """The call is not made; returns what the model is to be told, together with all other refusals."""
    tool_results.failed(m, call, "rejected", why)
    _settle(m, call, None)
    return tool_results.answer(m, call, why)


def _settle(m: Moment, call: RequestedTool, message: ToolMessage | None) -> None:
    outcome = ToolOutcome(call=call)
    if message is not None and message.role == "system":
        outcome = replace(outcome, instruction=message.text)
    elif message is not None:
        m.pick([message.text])
        text = variables.rendered(m, message.text).strip()
        outcome = replace(outcome, said=text, ends_call=message.ends_call)
    m.set(outcomes=(*m.state.outcomes, outcome))


def _message(m: Moment, values: dict[str, Any]) -> ToolMessage | None:
    """A message sent by the tool server; one that cannot be read is left out with a warning."""
    try:
        message = read_message({"type": "request-complete", **values}, "results[].message").spoken_in(m.state.language)
    except PlanInvalid as error:
        m.record(Warned(code="tool-message-invalid", detail=str(error), at_ms=m.now))
        return None
    return message if message.text else None

"""Handing the conversation to another assistant: asked for by a tool or by control, resolved outside, taken over here.

The source assistant finishes what it says, calls that run are waited for; then plan, history and voice change in one
step. https://docs.vapi.ai/squads/handoff
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from domain.call.context_engineering import DELETE, LAST, NONE, PREVIOUS, ROLLING, SPOKEN, Context, Message, kept
from domain.call.events import Activation, AssistantActivated, Warned
from media.machine import consent, history, opening, speaking, tool_results, transfers, usage, variables
from media.machine.destinations import (
    Destination,
    DestinationInvalid,
    besides_destination,
    choose,
    read_destination,
)
from media.machine.inputs import AssistantResolved, DestinationAnswered, RequestedTool
from media.machine.moment import Moment
from media.machine.outputs import AskDestination, ResolveAssistant, UseAssistant
from media.machine.plan import CallPlan
from media.machine.reading import PlanInvalid
from media.machine.state import HistoryEntry, PendingHandover, RunningTool
from media.machine.tool_plan import ToolPlan

BY_CONTROL: Final = "control-handoff"
NO_DESTINATION: Final = "There is no such destination."


def start(m: Moment, call: RequestedTool, tool: ToolPlan) -> RunningTool | str:
    """Begin a hand-off: the call as it runs, or why it is refused."""
    if not tool.destinations:
        return _begin(m, call, tool, Destination(type="dynamic", key="dynamic", config={"type": "dynamic"}))
    destination = choose(tool.destinations, call.arguments)
    return NO_DESTINATION if destination is None else _begin(m, call, tool, destination)


def _begin(m: Moment, call: RequestedTool, tool: ToolPlan, destination: Destination) -> RunningTool:
    """Ask for what is needed before ``destination`` can take over."""
    if destination.type == "dynamic":
        m.emit(
            AskDestination(
                tool_call_id=call.id,
                handoff=True,
                arguments=call.arguments,
                tool=tool.config,
                destination=destination.config,
            )
        )
    else:
        resolve(m, call.id, destination, besides_destination(call.arguments))
    default = tool.config.get("defaultResult")
    return RunningTool(
        call=call,
        plan=tool,
        started_ms=m.now,
        destination=destination,
        result=default if isinstance(default, str) else "",
    )


def resolve(m: Moment, tool_call_id: str, destination: Destination, arguments: dict[str, Any]) -> None:
    """Have the assistant of ``destination`` got ready."""
    m.emit(
        ResolveAssistant(
            tool_call_id=tool_call_id,
            destination=destination.config,
            arguments=arguments,
            variables=m.state.variables,
            messages=history.messages_for_model(m.state) if destination.config.get("variableExtractionPlan") else (),
        )
    )


def on_destination(m: Moment, answered: DestinationAnswered) -> None:
    """A server has named where to go; a transfer's number is the transfer's business."""
    running = tool_results.running(m, answered.tool_call_id)
    if running is None or m.state.end_reason is not None:
        return
    try:
        destination = read_destination(answered.destination, handoff=running.plan.kind == "handoff")
    except DestinationInvalid as error:
        _fail(m, running, "bad-body", f"The destination cannot be used: {error}.")
        return
    if destination.type == "dynamic":
        _fail(m, running, "bad-body", "The destination cannot be used: a server has to name somebody.")
        return
    running = replace(running, destination=destination, result=answered.result or running.result)
    m.set(tools=tuple(running if each.call.id == running.call.id else each for each in m.state.tools))
    if running.plan.kind == "transferCall":
        transfers.go(m, running, answered.message)
        return
    resolve(m, running.call.id, destination, besides_destination(running.call.arguments))


def on_resolved(m: Moment, resolved: AssistantResolved) -> None:
    """Whom the conversation goes to is ready."""
    if m.state.end_reason is not None:
        return
    usage.meter_tokens(m, resolved.prompt_tokens, resolved.completion_tokens)
    running = tool_results.remove(m, resolved.tool_call_id)
    if running is not None and m.state.handover is not None:
        tool_results.fail(m, running.call, "rejected", "The conversation is being handed over already.")
    elif running is not None and running.destination is not None:
        by: Activation = "handoff" if running.plan.kind == "handoff" else "transfer"
        m.set(
            handover=PendingHandover(
                by=by,
                resolved=resolved,
                destination=running.destination,
                call=running.call,
                result=running.result,
            )
        )
    elif resolved.tool_call_id.startswith(BY_CONTROL) and m.state.handover is None:
        destination = Destination(type="assistant", key="", config={"type": "assistant"})
        m.set(handover=PendingHandover(by="control", resolved=resolved, destination=destination))


def by_control(m: Moment, message: dict[str, Any]) -> None:
    """A ``handoff`` message: say its ``content`` and go. Raises ``DestinationInvalid``."""
    destination = read_destination(message.get("destination"), handoff=True)
    if destination.type == "dynamic":
        raise DestinationInvalid("its type is dynamic: name whom the conversation goes to")
    content = message.get("content")
    if isinstance(content, str) and content.strip():
        speaking.say(m, content, "say")
    resolve(m, f"{BY_CONTROL}-{len(m.state.history)}-{m.state.utterance_count}", destination, {})


def settle(m: Moment) -> None:
    """Take over once nothing is being said, asked or run."""
    state = m.state
    pending = state.handover
    if pending is None or state.end_reason is not None:
        return
    if state.tools or state.request is not None or state.utterances or state.connected_ms is None:
        return
    _take_over(m, pending)


def _take_over(m: Moment, pending: PendingHandover) -> None:
    resolved = pending.resolved
    m.set(handover=None, outcomes=())
    before = m.plan
    try:
        plan = CallPlan.from_assistant(
            resolved.assistant,
            native_end_of_turn=resolved.native_end_of_turn,
            final_on_request=resolved.final_on_request,
            server_available=before.server_available,
            transport_provider=before.transport.name,
            price_table=before.price_table,
            clock_origin_ms=before.clock_origin_ms,
            tool_budget=before.tool_budget,
            interruption_words=before.interruption_words,
            thinks_ahead=before.thinks_ahead,
            earlier=_earlier(before, pending.destination.context),
            late_templates=resolved.late_templates,
            variables=m.state.variables,
        )
    except PlanInvalid as error:
        _refused(m, pending, str(error))
        return
    usage.meter_switch(m)
    call = pending.call
    if call is not None:
        name = plan.name or pending.destination.key or "the next assistant"
        tool_results.complete(m, call, pending.result or f"The conversation was handed to {name}.")
    variables.take(m, resolved.variables, resolved.tool_call_id)
    context = pending.destination.context
    own = (call.id,) if call is not None else ()
    remaining = _remaining(m, pending, before)
    m.set(plan=plan, history=(), hook_counts={}, language=m.state.language or plan.language)
    variables.render_prompt(m)
    if context.type == ROLLING:
        remaining = (*_as_history(m, before), *remaining, *_as_history(m, m.plan))
        m.set(plan=replace(m.plan, prompt=(), prompt_templates=(), late_prompt=()))
    m.set(history=remaining, took_over=len(remaining), unheard="", ask_again=False)
    if context.type != ROLLING:
        history.begin(m)
        m.set(took_over=len(m.state.history))
    m.emit(UseAssistant(tool_call_id=resolved.tool_call_id))
    m.record(
        AssistantActivated(
            by=pending.by,
            assistant=resolved.assistant,
            context=context.type,
            max_messages=context.max_messages,
            removed_calls=own if context.type.endswith("remove-transfer-tool-messages") else (),
            at_ms=m.now,
            name=plan.name,
            from_name=before.name,
            assistant_id=resolved.assistant_id,
            assistant_version=resolved.assistant_version,
            squad_id=resolved.squad_id,
            tool_call_id=resolved.tool_call_id,
            late_templates=resolved.late_templates,
            used=resolved.used,
        )
    )
    m.notify(
        "transfer-update",
        destination=pending.destination.config,
        fromAssistant=before.public(),
        toAssistant=plan.public(),
    )
    m.notify("assistant.started", newAssistant=plan.public())
    warn_of_ignored(m)
    history.announce(m)
    _begin_talking(m)


def warn_of_ignored(m: Moment) -> None:
    """What the present assistant is configured to do and does not."""
    for name in m.plan.unsupported:
        m.record(Warned(code="configuration-ignored", detail=f"{name} is not supported yet.", at_ms=m.now))
    for problem in m.plan.ignored_hooks:
        m.record(Warned(code="hook-ignored", detail=problem, at_ms=m.now))


def _begin_talking(m: Moment) -> None:
    """The first message plays anew each time its assistant is entered; without one the model takes the word, since the
    caller is owed an answer."""
    if consent.wanted(m):
        consent.begin(m)
    else:
        opening.begin(m, owes_answer=True)


def _remaining(m: Moment, pending: PendingHandover, before: CallPlan) -> tuple[HistoryEntry, ...]:
    """What the destination sees of the history, without the prompt and what the source said about its leaving."""
    call = pending.call
    entries = list(m.state.history)
    if call is not None:
        left_at = next(
            (index for index, entry in enumerate(entries) if any(made.id == call.id for made in entry.calls)),
            len(entries),
        )
        entries = [entry for index, entry in enumerate(entries) if index < left_at or entry.role != "assistant"]
    took_over = sum(1 for entry in entries[: m.state.took_over] if not entry.from_prompt)
    entries = [entry for entry in entries if not entry.from_prompt]
    messages = [_message(entry) for entry in entries]
    own = (call.id,) if call is not None else ()
    stays = kept(messages, pending.destination.context, took_over=took_over, transfer_calls=own)
    if pending.destination.context.type == DELETE:
        # The caller's last words are what the next assistant has to answer.
        stays = [index for index in range(len(entries)) if entries[index].role == "user"][-1:]
    return tuple(entries[index] for index in stays)


def _earlier(before: CallPlan, context: Context) -> tuple[dict[str, Any], ...]:
    """What the destination sees of conversations before this one: nothing where it does not see all of this one."""
    if context.type == SPOKEN:
        spoken = ("user", "assistant")
        return tuple(each for each in before.earlier if each.get("role") in spoken and not each.get("tool_calls"))
    return () if context.type in (NONE, DELETE, LAST, PREVIOUS) else before.earlier


def _message(entry: HistoryEntry) -> Message:
    calls = tuple(call.id for call in entry.calls) or ((entry.call_id,) if entry.call_id else ())
    return Message(role=entry.role, call_ids=calls)


def _as_history(m: Moment, plan: CallPlan) -> tuple[HistoryEntry, ...]:
    """A prompt as part of the conversation, for a history in which several follow each other."""
    return tuple(
        HistoryEntry(role=message["role"], text=message["content"], started_ms=m.now, ended_ms=m.now)
        for message in plan.prompt
        if message["role"] in ("system", "user", "assistant") and message["content"]
    )


def _fail(m: Moment, running: RunningTool, failure: str, error: str) -> None:
    """The present assistant stays; its model is told why."""
    tool_results.remove(m, running.call.id)
    m.record(Warned(code="destination-refused", detail=f"{running.call.name}: {error}", at_ms=m.now))
    tool_results.fail(m, running.call, failure, error)
    tool_results.settle_with(m, running.call, "")


def _refused(m: Moment, pending: PendingHandover, why: str) -> None:
    m.record(Warned(code="handoff-failed", detail=why, at_ms=m.now))
    if pending.call is not None:
        tool_results.fail(m, pending.call, "error", "The conversation cannot be handed over now.")
        tool_results.settle_with(m, pending.call, "")

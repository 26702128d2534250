"""The conversation's messages: committing them, and showing them to the model and to clients."""

from __future__ import annotations

import json
from typing import Any

from domain.call.events import MessageCommitted, Role
from media.machine.moment import Moment
from media.machine.plan import CallPlan
from media.machine.state import HistoryEntry, MachineState, UserTurn

INAUDIBLE = "[inaudible]"
"""What stands for words that were heard and not understood, in history and for the model."""

NO_RESULT = "No result returned."

_ADDED = ("user", "system", "tool")
_WIRE_ROLES = {"assistant": "bot", "tool_result": "tool_call_result"}


def begin(m: Moment) -> None:
    """The prompt's system messages open the conversation. They are configuration, which ``call.started`` holds: no
    event repeats them."""
    entries = (
        HistoryEntry(role="system", text=message["content"], started_ms=m.now, ended_ms=m.now, from_prompt=True)
        for message in m.plan.prompt
        if message["role"] == "system" and message["content"]
    )
    m.set(history=(*m.state.history, *entries))


def commit_user(m: Moment) -> None:
    """What the caller said so far becomes a message; later words will be another one."""
    user = m.state.user
    if user is None:
        return
    m.set(user=None, unfinished_partial=bool(user.partial))
    if user.said_something:
        _commit_turn(m, user)
        if not user.decided:
            announce(m)


def commit_asides(m: Moment) -> None:
    """What was said over a speech becomes messages after it."""
    asides = m.state.asides
    if asides:
        m.set(asides=())
        for aside in asides:
            _commit_turn(m, aside)
        announce(m)


def _commit_turn(m: Moment, user: UserTurn) -> None:
    ended_ms = max(user.started_ms, min(user.t0 if user.t0 is not None else m.now, m.now))
    entry = _user_entry(m.plan, user, ended_ms)
    _record(
        m,
        "user",
        entry.text,
        user.started_ms,
        ended_ms,
        turn=user.number or m.state.turn,
        confidence=user.confidence,
        original_text=entry.original or None,
        threats=entry.threats,
    )
    m.set(history=(*m.state.history, entry))


def commit_assistant(
    m: Moment, *, heard: str, generated: str, source: str, started_ms: float, turn: int, interrupted: bool
) -> None:
    """What was heard of an utterance becomes a message; both texts are kept where they differ."""
    heard, generated = heard.strip(), generated.strip()
    if not heard:
        return
    _record(
        m,
        "assistant",
        heard,
        started_ms,
        m.now,
        turn=turn,
        generated_text=generated if generated != heard else None,
        source=source,
        interrupted=interrupted,
    )
    kept = generated if m.plan.model_output_in_messages else heard
    before = len(m.state.history) - _added_since(m.state.history, started_ms)
    entry = HistoryEntry(role="assistant", text=kept, started_ms=started_ms, ended_ms=m.now)
    m.set(history=(*m.state.history[:before], entry, *m.state.history[before:]))
    announce(m)


def _added_since(entries: tuple[HistoryEntry, ...], started_ms: float) -> int:
    """How many of the last entries were put in from outside while the speech was heard that began at ``started_ms``.

    They come after it: a model that is to answer them must not find its own words last.
    """
    count = 0
    for entry in reversed(entries):
        if entry.role not in _ADDED or entry.started_ms != entry.ended_ms or entry.started_ms <= started_ms:
            break
        count += 1
    return count


def commit_added(m: Moment, role: Role, text: str) -> None:
    """A message put in from outside (``add-message``, an instruction that came with a tool's result)."""
    _record(m, role, text, m.now, m.now, turn=m.state.turn)
    add(m, HistoryEntry(role=role, text=text, started_ms=m.now, ended_ms=m.now))


def add(m: Moment, *entries: HistoryEntry) -> None:
    """Append to the history and tell the client, once for all of them: what it is told is the whole history."""
    m.set(history=(*m.state.history, *entries))
    announce(m)


def announce(m: Moment) -> None:
    """``conversation-update`` with the whole history, a decided user turn included."""
    state = m.state
    m.notify(
        "conversation-update",
        messages=wire_messages(state),
        messagesOpenAIFormatted=[*_prompt(state), *_openai(_with_pending(state))],
    )


def messages_for_model(state: MachineState) -> tuple[dict[str, Any], ...]:
    """The prompt, what was said before the call, the history and the words that wait for an answer, as a chat
    completion request wants them."""
    return (*_prompt(state), *state.plan.earlier, *_openai(_with_pending(state)))


def spoken(plan: CallPlan, text: str) -> dict[str, Any]:
    """What a caller is saying, as the model will read it once it is a message."""
    return {"role": "user", "content": plan.security.applied(text or INAUDIBLE).text}


def wire_messages(state: MachineState) -> list[dict[str, Any]]:
    """The history in the shape of ``artifact.messages``."""
    return [_wire(entry, state.plan.clock_origin_ms, state.connected_ms or 0.0) for entry in _with_pending(state)]


def last_assistant_text(state: MachineState) -> str:
    """The assistant's latest message, empty before it has said anything."""
    return next((entry.text for entry in reversed(state.history) if entry.role == "assistant"), "")


def spoken_transcript(state: MachineState) -> str:
    """What both sides have said so far, as texts about the conversation quote it."""
    names = {"assistant": "AI", "user": "User"}
    return "\n".join(f"{names[entry.role]}: {entry.text}" for entry in _with_pending(state) if entry.role in names)


def _record(m: Moment, role: Role, text: str, started_ms: float, ended_ms: float, **facts: Any) -> None:
    """``facts`` are further fields of ``MessageCommitted``."""
    number = m.state.message_count + 1
    m.set(message_count=number)
    m.record(
        MessageCommitted(
            message_id=f"m{number}", role=role, text=text, started_ms=started_ms, ended_ms=ended_ms, **facts
        )
    )


def _user_entry(plan: CallPlan, user: UserTurn, ended_ms: float) -> HistoryEntry:
    original = user.text or INAUDIBLE
    filtered = plan.security.applied(original)
    return HistoryEntry(
        role="user",
        text=filtered.text,
        started_ms=user.started_ms,
        ended_ms=ended_ms,
        original=original if filtered.threats else "",
        threats=filtered.threats,
    )


def _with_pending(state: MachineState) -> tuple[HistoryEntry, ...]:
    user = state.user
    if user is None or not user.decided:
        return state.history
    ended_ms = user.t0 if user.t0 is not None else user.started_ms
    return (*state.history, _user_entry(state.plan, user, ended_ms))


def _prompt(state: MachineState) -> list[dict[str, Any]]:
    return list(state.plan.prompt)


def _openai(entries: tuple[HistoryEntry, ...]) -> list[dict[str, Any]]:
    """The prompt's system messages are left out: the prompt stands before. Each result follows its call directly,
    whatever was said meanwhile, as the protocol demands."""
    results = {entry.call_id: entry.text for entry in entries if entry.role == "tool_result"}
    messages: list[dict[str, Any]] = []
    for entry in entries:
        if entry.from_prompt:
            continue
        if entry.role == "tool_calls":
            messages.append({"role": "assistant", "content": "", "tool_calls": [_call(call) for call in entry.calls]})
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": results.get(call.id, NO_RESULT)}
                for call in entry.calls
            ]
        elif entry.role == "tool":
            messages.append({"role": "system", "content": entry.text})
        elif entry.role != "tool_result":
            messages.append({"role": entry.role, "content": entry.text})
    return messages


def _call(call: Any) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _wire(entry: HistoryEntry, clock_origin_ms: float, connected_ms: float) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": _WIRE_ROLES.get(entry.role, entry.role),
        "message": entry.text,
        "time": clock_origin_ms + entry.started_ms,
        "secondsFromStart": round(max(0.0, entry.started_ms - connected_ms) / 1000, 3),
    }
    if entry.role in ("user", "assistant"):
        message["endTime"] = clock_origin_ms + entry.ended_ms
        message["duration"] = entry.ended_ms - entry.started_ms
        if entry.threats:
            message |= {
                "isFiltered": True,
                "detectedThreats": list(entry.threats),
                "originalMessage": entry.original,
            }
    elif entry.role == "tool_calls":
        message["toolCalls"] = [_call(call) for call in entry.calls]
    elif entry.role == "tool_result":
        del message["message"]
        message |= {"toolCallId": entry.call_id, "name": entry.name, "result": entry.text}
    return message

"""The messages of a chat: what was sent in, what came out, and the shapes that models and clients read them in.

A model reads chat completions (``role``, ``content``, ``tool_calls``, ``tool_call_id``). Clients read the same, and of
users and systems also ``message`` with its times, as Vapi's schema has it: https://docs.vapi.ai/api-reference/chats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from domain.call.context_engineering import Context
from domain.chat.events import ToolCalled
from domain.chat.state import Entry, HandedOver, KeptChat, Said, ToolBroke, ToolRequested, ToolReturned, instant
from domain.wire_time import epoch_ms

Message = dict[str, Any]

NO_RESULT = "No result returned"
"""What a model reads where a tool call has no result."""


class Timed(msgspec.Struct, frozen=True):
    """A message as a model reads it, and when it was written. With ``handed`` another assistant took the word behind
    it, and got to read what that context leaves."""

    message: Message
    time: datetime
    handed: Context | None = None


def input_messages(sent: Any) -> list[Message]:
    """The ``input`` of a request, or messages that a client put into a session, as a model reads them."""
    if isinstance(sent, str):
        return [{"role": "user", "content": sent}]
    return [_read(message) for message in sent or () if isinstance(message, Mapping)]


def output_messages(entries: Iterable[Entry]) -> list[Message]:
    """What the assistant and its tools added: texts, tool calls, and each result behind its call."""
    return [written.message for written in _answered(entries)]


def chat_messages(chat: KeptChat) -> list[Timed]:
    """What a chat added to its conversation: its input and its output."""
    began = chat.identity.created_at
    sent = [Timed(message, began) for message in input_messages(chat.identity.request.get("input"))]
    answered = _answered(chat.entries)
    return [*sent, *(Timed(each.message, instant(chat, each.at_ms), each.handed) for each in answered)]


def for_model(messages: Iterable[Message]) -> list[Message]:
    """The messages in the order that the protocol demands: each result directly behind the call it belongs to.

    A call that nobody has answered gets a result that says so, and a result that belongs to no call is left out.
    """
    listed = list(messages)
    ordered: list[Message] = []
    taken: set[int] = set()
    for index, message in enumerate(listed):
        if message.get("role") == "tool":
            continue
        ordered.append(message)
        for call in message.get("tool_calls") or ():
            found = _result_of(call.get("id"), listed, index, taken)
            taken.add(found)
            missing = {"role": "tool", "tool_call_id": call.get("id"), "content": NO_RESULT}
            ordered.append(listed[found] if found >= 0 else missing)
    return ordered


def _result_of(call_id: Any, listed: Sequence[Message], after: int, taken: set[int]) -> int:
    """Where the result of a call stands behind it; -1 where it has none. Ids may repeat within a conversation."""
    for index in range(after + 1, len(listed)):
        message = listed[index]
        if message.get("role") == "tool" and message.get("tool_call_id") == call_id and index not in taken:
            return index
    return -1


def shown_messages(messages: Sequence[Timed]) -> list[Message]:
    """The messages as clients read them."""
    return [shown_message(timed, messages[0].time) for timed in messages]


def shown_message(timed: Timed, first: datetime) -> Message:
    """One of them; ``first`` is when the first of them was written."""
    message = timed.message
    if message.get("role") not in ("user", "system"):
        return message
    time = epoch_ms(timed.time)
    since = round((timed.time - first).total_seconds(), 3)
    times = {"time": time, "endTime": time, "secondsFromStart": since}
    if message["role"] == "system":
        del times["endTime"]
    return {**message, "message": message["content"], **times}


def _read(sent: Mapping[str, Any]) -> Message:
    role = str(sent.get("role", "user"))
    message: Message = {"role": role, "content": text_of(sent)}
    kept = {name: sent[name] for name in ("name", "tool_call_id") if isinstance(sent.get(name), str)}
    if role == "assistant" and (calls := list(_calls(sent.get("tool_calls")))):
        kept["tool_calls"] = calls
    return message | kept


def _calls(sent: Any) -> Iterator[dict[str, Any]]:
    """Those that a model can read: with an id, a name, and arguments written as text."""
    for call in sent if isinstance(sent, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            continue
        if isinstance(call.get("id"), str):
            given = function.get("arguments")
            arguments = given if isinstance(given, str) else msgspec.json.encode(given or {}).decode()
            yield {**call, "type": "function", "function": {**function, "arguments": arguments}}


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, whether it stands in ``content``, in parts of it, or in ``message``."""
    content = message.get("content")
    if content is None:
        content = message.get("message")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


class _Written(msgspec.Struct, frozen=True):
    message: Message
    at_ms: float
    handed: Context | None = None


def _answered(entries: Iterable[Entry]) -> Iterator[_Written]:
    """Each message with its instant; what one answer of the model holds is one message."""
    pending: _Written | None = None
    turn = 0
    for entry in entries:
        match entry:
            case Said(message=said):
                yield from _flushed(pending)
                pending, turn = _Written({"role": "assistant", "content": said.text}, said.at_ms), said.turn
            case ToolRequested(call=call):
                if pending is None or pending.message["role"] != "assistant" or turn != call.turn:
                    yield from _flushed(pending)
                    pending, turn = _Written({"role": "assistant", "content": ""}, call.at_ms), call.turn
                pending.message.setdefault("tool_calls", []).append(wire_call(call))
            case ToolReturned(answer=answer):
                yield from _flushed(pending)
                pending = _Written(_result(answer.tool_call_id, answer.name, answer.result), answer.at_ms)
            case ToolBroke(failure=failure):
                yield from _flushed(pending)
                pending = _Written(_result(failure.tool_call_id, failure.name, failure.error), failure.at_ms)
            case HandedOver(activation=activation):
                if pending is not None:
                    context = Context(type=activation.context, max_messages=activation.max_messages)
                    yield msgspec.structs.replace(pending, handed=context)
                pending = None
    yield from _flushed(pending)


def _flushed(pending: _Written | None) -> Iterator[_Written]:
    if pending is not None:
        yield pending


def wire_call(call: ToolCalled) -> Message:
    """A tool call as it stands in an assistant's message."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.tool_call_id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _result(call_id: str, name: str, text: str) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "name": name, "content": text}

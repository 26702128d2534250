"""What a call leaves behind: messages in both formats, transcript, recordings, variables and figures.

The shapes are those of Vapi's ``Artifact``, https://docs.vapi.ai/api-reference/calls/get.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import msgspec

from domain.call.clock import CallClock, call_clock, call_start
from domain.call.context_engineering import Context, Message, kept
from domain.call.events import AssistantActivated, MessageCommitted, ToolCalled
from domain.call.performance import performance_metrics
from domain.call.state import Entry, HandedOver, KeptCall, Said, ToolBroke, ToolRequested, ToolReturned, Transfer
from domain.chat.messages import for_model


def artifact_body(call: KeptCall, artifact_urls: Mapping[str, str]) -> dict[str, Any]:
    """The ``artifact`` of a call. ``artifact_urls`` gives the download address of each track."""
    start = call_start(call)
    assistant = start.assistant if start else {}
    said = [entry.message for entry in call.entries if isinstance(entry, Said)]
    body: dict[str, Any] = {
        "messages": artifact_messages(call),
        "messagesOpenAIFormatted": openai_messages(call),
        "performanceMetrics": performance_metrics(call.turns, said, call.assistant_interruptions),
        "variableValues": {**(start.variable_values if start else {}), **call.variables},
        "assistantActivations": assistant_activations(call),
    }
    if call.transfers:
        body["transfers"] = [_transfer(transfer) for transfer in call.transfers]
    plan = _object(_object(assistant.get("artifactPlan")).get("transcriptPlan"))
    if plan.get("enabled") is not False:
        body["transcript"] = transcript(
            said, assistant_name=plan.get("assistantName") or "AI", user_name=plan.get("userName") or "User"
        )
    stored = {artifact.track: artifact_urls.get(artifact.track) for artifact in call.artifacts}
    return body | _recordings({track: url for track, url in stored.items() if url})


def transcript(said: Iterable[MessageCommitted], *, assistant_name: str, user_name: str) -> str:
    """One line per utterance, each after the name of who spoke."""
    names = {"assistant": assistant_name, "user": user_name}
    return "".join(
        f"{names[message.role]}: {message.text}\n" for message in said if message.role in names and message.text
    )


def assistant_activations(call: KeptCall) -> list[dict[str, Any]]:
    """Who held the conversation, in order; nobody before it began."""
    start = call_start(call)
    if start is None:
        return []
    first = (start.assistant.get("name"), start.assistant_id or call.identity.assistant_id, start.assistant_version)
    later = ((held.name, held.assistant_id, held.assistant_version) for held in _activations(call))
    return [
        {"assistantName": name or "", "assistantVersion": version, **({"assistantId": id} if id else {})}
        for name, id, version in (first, *later)
    ]


def artifact_messages(call: KeptCall) -> list[dict[str, Any]]:
    """The conversation as Vapi's message objects, told apart by ``role``; the assistant is ``bot``."""
    clock = call_clock(call)
    return [_wire_message(clock, speaker, step) for speaker, step in _shown(call)]


def openai_messages(call: KeptCall) -> list[dict[str, Any]]:
    """The conversation in the shape of chat completions, and in the order that models take: each result right behind
    its call, whatever was said while the tool ran."""
    return for_model(_openai_message(step) for _, step in _shown(call))


_Step = Said | ToolReturned | ToolBroke | list[ToolCalled]
"""An entry, or the tool requests of one turn that came together."""


class _Speaker(msgspec.Struct, frozen=True):
    """Whose words the assistant's messages are, and how they are shown."""

    name: str
    id: str | None
    shows_raw: bool


def _shown(call: KeptCall) -> list[tuple[_Speaker, _Step]]:
    """The conversation as its last assistant knew it, behind that one's instructions. Hand-overs take out what their
    context plans do, unless the first assistant's artifact plan wants the whole, with everybody's instructions.
    """
    start = call_start(call)
    assistant = start.assistant if start else {}
    began_ms = start.at_ms if start else 0.0
    whole = _object(assistant.get("artifactPlan")).get("fullMessageHistoryEnabled") is True
    speaker = _speaker(assistant, (start.assistant_id if start else None) or call.identity.assistant_id)
    prompts = _prompts(speaker, assistant, began_ms)
    remembered: list[tuple[_Speaker, _Step]] = []
    took_over = 0
    for step in _steps(call):
        if not isinstance(step, HandedOver):
            remembered.append((speaker, step))
            continue
        held = step.activation
        speaker = _speaker(held.assistant, held.assistant_id)
        if whole:
            remembered += _prompts(speaker, held.assistant, held.at_ms)
            continue
        context = Context(type=held.context, max_messages=held.max_messages)
        messages = [_message(said) for _, said in remembered]
        stays = kept(messages, context, took_over=took_over, transfer_calls=held.removed_calls)
        remembered = [remembered[index] for index in stays]
        took_over = len(remembered)
        prompts = _prompts(speaker, held.assistant, began_ms)
    return [*prompts, *remembered]


def _prompts(speaker: _Speaker, assistant: Mapping[str, Any], at_ms: float) -> list[tuple[_Speaker, _Step]]:
    messages = _object(assistant.get("model")).get("messages") or ()
    return [
        (speaker, Said(_instruction(message["content"], at_ms)))
        for message in map(_object, messages)
        if message.get("role") == "system" and message.get("content")
    ]


def _instruction(text: str, at_ms: float) -> MessageCommitted:
    """What an assistant brings along: a client of Vapi finds it before anything was said."""
    return MessageCommitted(message_id="", role="system", text=text, started_ms=at_ms, ended_ms=at_ms, turn=0)


def _speaker(assistant: Mapping[str, Any], assistant_id: str | None) -> _Speaker:
    return _Speaker(assistant.get("name") or "", assistant_id, assistant.get("modelOutputInMessagesEnabled") is True)


def _message(step: _Step) -> Message:
    match step:
        case Said(message=message):
            return Message(role=message.role)
        case ToolReturned(answer=answer):
            return Message(role="tool_result", call_ids=(answer.tool_call_id,))
        case ToolBroke(failure=failure):
            return Message(role="tool_result", call_ids=(failure.tool_call_id,))
        case list():
            return Message(role="tool_calls", call_ids=tuple(requested.tool_call_id for requested in step))


def _activations(call: KeptCall) -> list[AssistantActivated]:
    return [entry.activation for entry in call.entries if isinstance(entry, HandedOver)]


def _steps(call: KeptCall) -> Iterable[_Step | HandedOver]:
    for turn, group in groupby(call.entries, key=_requesting_turn):
        entries = list(group)
        if turn is not None:
            yield [entry.call for entry in entries if isinstance(entry, ToolRequested)]
        else:
            yield from (entry for entry in entries if not isinstance(entry, ToolRequested))


def _requesting_turn(entry: Entry) -> int | None:
    return entry.call.turn if isinstance(entry, ToolRequested) else None


def _wire_message(clock: CallClock, speaker: _Speaker, step: _Step) -> dict[str, Any]:
    match step:
        case Said(message=message):
            return _said(clock, speaker, message)
        case ToolReturned(answer=answer):
            return _result(answer.tool_call_id, answer.name, answer.result) | _times(clock, answer.at_ms)
        case ToolBroke(failure=failure):
            return _result(failure.tool_call_id, failure.name, failure.error) | _times(clock, failure.at_ms)
        case list():
            calls = [_tool_call(requested) for requested in step]
            return {"role": "tool_calls", "toolCalls": calls, "message": "", **_times(clock, step[0].at_ms)}


def _said(clock: CallClock, speaker: _Speaker, message: MessageCommitted) -> dict[str, Any]:
    times = {
        **_times(clock, message.started_ms),
        "endTime": clock.epoch_ms(message.ended_ms),
        "duration": round(message.ended_ms - message.started_ms, 3),
    }
    match message.role:
        case "assistant":
            raw = message.generated_text if speaker.shows_raw else None
            body = {"role": "bot", "message": raw or message.text, **times, "source": message.source}
            optional = {"assistantName": speaker.name, "assistantId": speaker.id}
            return body | {name: value for name, value in optional.items() if value}
        case "user":
            confidence = {} if message.confidence is None else {"confidence": message.confidence}
            filtered = {
                "isFiltered": True,
                "detectedThreats": list(message.threats),
                "originalMessage": message.original_text,
            }
            shown = filtered if message.threats else {}
            return {"role": "user", "message": message.text, **times, **confidence, **shown}
        case "tool":
            return _result(message.message_id, "", message.text) | _times(clock, message.started_ms)
        case "system":
            return {"role": "system", "message": message.text, **_times(clock, message.started_ms)}


def _openai_message(step: _Step) -> dict[str, Any]:
    match step:
        case Said(message=message) if message.role == "tool":
            # It answers no call of the model's, and the protocol knows no result without one.
            return {"role": "system", "content": message.text}
        case Said(message=message):
            return {"role": message.role, "content": message.text}
        case ToolReturned(answer=answer):
            return {"role": "tool", "tool_call_id": answer.tool_call_id, "content": answer.result}
        case ToolBroke(failure=failure):
            return {"role": "tool", "tool_call_id": failure.tool_call_id, "content": failure.error}
        case list():
            return {"role": "assistant", "content": "", "tool_calls": [_tool_call(requested) for requested in step]}


def _times(clock: CallClock, at_ms: float) -> dict[str, float]:
    return {"time": clock.epoch_ms(at_ms), "secondsFromStart": clock.seconds_from_start(at_ms)}


def _result(tool_call_id: str, name: str, result: str) -> dict[str, Any]:
    return {"role": "tool_call_result", "toolCallId": tool_call_id, "name": name, "result": result}


def _tool_call(requested: ToolCalled) -> dict[str, Any]:
    arguments = msgspec.json.encode(requested.arguments).decode()
    return {
        "id": requested.tool_call_id,
        "type": "function",
        "function": {"name": requested.name, "arguments": arguments},
    }


def _transfer(transfer: Transfer) -> dict[str, Any]:
    shown = {"destination": transfer.requested.destination, "mode": transfer.requested.mode}
    return {**shown, "status": transfer.ended.status} if transfer.ended is not None else shown


def _recordings(urls: Mapping[str, str]) -> dict[str, Any]:
    mono = {
        name: urls[track]
        for name, track in (("combinedUrl", "mono"), ("assistantUrl", "assistant"), ("customerUrl", "customer"))
        if track in urls
    }
    recording = {**({"stereoUrl": urls["stereo"]} if "stereo" in urls else {}), **({"mono": mono} if mono else {})}
    flat = {
        name: urls[track]
        for name, track in (("recordingUrl", "mono"), ("stereoRecordingUrl", "stereo"), ("logUrl", "log"))
        if track in urls
    }
    return {**({"recording": recording} if recording else {}), **flat}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

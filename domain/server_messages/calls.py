"""What a server is told about a call, event by event: the message objects of https://docs.vapi.ai/server-url/events.

The common fields (``call``, ``assistant``, ``artifact``...) are put around them in ``envelope``; here stand the fields
that a type has of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from domain.call.artifact import artifact_body, artifact_messages, openai_messages
from domain.call.clock import call_start
from domain.call.events import (
    ArtifactStored,
    AssistantActivated,
    AssistantInterrupted,
    CallClaimed,
    CallCreated,
    CallDeleted,
    CallDeletionFailed,
    CallEnded,
    CallStarted,
    LanguageChanged,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    Track,
    TranscriptFinalized,
    TransferRequested,
    Warned,
)
from domain.call.state import Call, Deleted, Ended, HandedOver, KeptCall, Live
from domain.event import Event
from domain.write_only import without_secrets

Json = dict[str, Any]

REPORT = "end-of-call-report"

_UPLOADED: Final[Mapping[Track, str]] = {
    "stereo": "recording-stereo",
    "mono": "recording-mono",
    "customer": "recording-customer",
    "assistant": "recording-assistant",
    "log": "log",
}
"""What the tracks are called where their storing is told of."""


def call_messages(call: Call, event: Event) -> tuple[Json, ...]:
    """The messages that ``event`` leads to, ``call`` being the state after it. Without the fields common to all."""
    match event:
        case CallCreated():
            return (_status("queued"),)
        case CallClaimed():
            return (_status("ringing"),)
        case CallStarted():
            return (_status("in-progress"), _started(event.assistant))
        case CallDeleted():
            return ({"type": "call.deleted"},)
    if isinstance(call, Deleted):
        return ()
    match event:
        case CallEnded(reason=reason, reports=reports):
            report = ({"type": REPORT},) if reports else ()
            return ({**_status("ended"), "endedReason": reason, **_so_far(call)}, *report)
        case ArtifactStored(track="log") if isinstance(call, Ended):
            return ({"type": REPORT}, _uploaded("log"))
        case ArtifactStored(track=track):
            return (_uploaded(track),)
        case MessageCommitted() | ToolCalled() | ToolCompleted() | ToolFailed():
            return ({"type": "conversation-update", **_history(call)},)
        case TranscriptFinalized():
            final = {"role": event.role, "transcriptType": "final", "transcript": event.text}
            return ({"type": "transcript", **final},)
        case AssistantInterrupted(by=by, turn_id=turn_id) if by != "control":
            return ({"type": "user-interrupted", **({"turnId": turn_id} if turn_id else {})},)
        case TransferRequested(destination=destination):
            forwarding = {**_status("forwarding"), "destination": destination, **_so_far(call)}
            return (forwarding, {"type": "transfer-update", "destination": destination})
        case AssistantActivated():
            names = {"toAssistant": _shown(event.assistant), "fromAssistant": _shown(_before(call, event))}
            destination = {"type": "assistant", "assistantName": event.name}
            return ({"type": "transfer-update", "destination": destination, **names}, _started(event.assistant))
        case Warned(code="hang"):
            return ({"type": "hang"},)
        case LanguageChanged(language=language):
            return ({"type": "language-change-detected", "language": language},)
        case CallDeletionFailed():
            return ({"type": "call.delete.failed"},)
    return ()


def report_fields(call: Ended, body: Mapping[str, Any], analysis: Mapping[str, Any]) -> Json:
    """What an end-of-call report has beside the common fields. ``body`` is the call as ``GET /call/{id}`` shows it.

    The copies at the top level are those that older integrations read.
    """
    artifact = body.get("artifact") or {}
    copied = ("cost", "costs", "costBreakdown", "startedAt", "endedAt", "destination", "compliance")
    fields: Json = {"endedReason": call.end.reason, "analysis": dict(analysis)}
    fields |= {name: body[name] for name in copied if name in body}
    old = ("transcript", "messages", "recordingUrl", "stereoRecordingUrl")
    fields |= {name: artifact[name] for name in old if name in artifact}
    if call.start is not None and call.end.at_ms is not None:
        duration_ms = max(call.end.at_ms - call.start.at_ms, 0.0)
        fields |= {
            "durationMs": round(duration_ms),
            "durationSeconds": round(duration_ms / 1000, 3),
            "durationMinutes": round(duration_ms / 60_000, 4),
        }
    return fields


def call_snapshot(body: Mapping[str, Any]) -> Json:
    """The ``call`` of a message: the call as it can be read, without what stands in the message beside it."""
    beside = ("artifact", "messages", "costs", "costBreakdown", "analysis")
    return {name: value for name, value in body.items() if name not in beside}


def customer_of(call: KeptCall) -> Json:
    """The common field ``customer`` where the request named one."""
    customer = call.identity.request.get("customer")
    return {"customer": customer} if isinstance(customer, dict) else {}


def assistant_of(call: KeptCall) -> Json:
    """The resolved assistant in charge, without what nobody may read back; nothing before media flows."""
    if not isinstance(call, Live | Ended) or call.start is None:
        return {}
    activations = _activations(call)
    charged = activations[-1] if activations else call.start
    return {"assistant": _shown(charged.assistant), "assistantVersion": charged.assistant_version}


def _shown(assistant: Mapping[str, Any]) -> Json:
    return without_secrets(dict(assistant))


def _status(word: str) -> Json:
    return {"type": "status-update", "status": word}


def _uploaded(track: Track) -> Json:
    return {"type": "call.artifact.upload", "artifacts": [{"type": _UPLOADED[track], "success": True}]}


def _started(assistant: Mapping[str, Any]) -> Json:
    return {"type": "assistant.started", "newAssistant": _shown(assistant)}


def _activations(call: KeptCall) -> list[AssistantActivated]:
    return [entry.activation for entry in call.entries if isinstance(entry, HandedOver)]


def _before(call: KeptCall, event: AssistantActivated) -> Mapping[str, Any]:
    """Who had the word until ``event``, the last activation of the call."""
    earlier = _activations(call)[:-1]
    start = call_start(call)
    if earlier:
        return earlier[-1].assistant
    return start.assistant if start is not None else {"name": event.from_name}


def _so_far(call: KeptCall) -> Json:
    """The history, and as a text."""
    body = artifact_body(call, {})
    known = ("messages", "messagesOpenAIFormatted", "transcript")
    return {name: body[name] for name in known if name in body}


def _history(call: KeptCall) -> Json:
    return {"messages": artifact_messages(call), "messagesOpenAIFormatted": openai_messages(call)}

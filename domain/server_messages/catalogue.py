"""Every message that is exchanged with tenants' servers and clients, with the fields that each type has of its own.

What https://docs.vapi.ai/server-url/events documents, as JSON Schema; the AsyncAPI document is made from it, and what
is sent is held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Schema = dict[str, Any]
Audience = Literal["server", "client"]

_TEXT: Final[Schema] = {"type": "string"}
_OBJECT: Final[Schema] = {"type": "object"}
_LIST: Final[Schema] = {"type": "array", "items": {"type": "object"}}
_NUMBER: Final[Schema] = {"type": "number"}
_FLAG: Final[Schema] = {"type": "boolean"}
_RESULT: Final[Schema] = {
    "type": "object",
    "description": "Matched by toolCallId, else by its place.",
    "properties": {
        "toolCallId": {"type": "string"},
        "name": {"type": "string"},
        "result": {"description": "What the model is told; what is no text is told as JSON."},
        "error": {"type": "string"},
        "message": {"type": "object", "description": "What is said instead of the model's words."},
        "metadata": {"type": "object"},
    },
}

_UPLOADS: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"type": {"type": "string"}, "success": {"type": "boolean"}},
        "required": ["type", "success"],
    },
}


def _words(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


@dataclass(frozen=True)
class MessageType:
    """A type of message. ``answer`` is the schema of what the server answers, for messages that ask."""

    name: str
    summary: str
    fields: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    audiences: frozenset[Audience] = frozenset({"server"})
    answer: Schema | None = None

    def schema(self) -> Schema:
        """The message without its wrapper; the common fields beside its own."""
        return {
            "type": "object",
            "properties": {"type": {"const": self.name}, **COMMON, **self.fields},
            "required": ["type", *self.required],
        }


COMMON: Final[Mapping[str, Schema]] = {
    "timestamp": {"type": "number", "description": "When it happened: ms since 1970."},
    "call": {"type": "object", "description": "The call as GET /call/{id} shows it, without its artifact and costs."},
    "assistant": {"type": "object", "description": "The resolved assistant in charge."},
    "assistantVersion": {"type": ["string", "null"]},
    "phoneNumber": _OBJECT,
    "customer": _OBJECT,
    "artifact": {"type": "object", "description": "What the call has left behind so far."},
    "chat": _OBJECT,
}

_BOTH: Final[frozenset[Audience]] = frozenset({"server", "client"})
_CLIENT: Final[frozenset[Audience]] = frozenset({"client"})
_HISTORY: Final = {"messages": _LIST, "messagesOpenAIFormatted": _LIST}
_DESTINATION_ANSWER: Final[Schema] = {
    "type": "object",
    "properties": {"destination": _OBJECT, "message": _OBJECT, "error": _TEXT},
}

MESSAGE_TYPES: Final[tuple[MessageType, ...]] = (
    MessageType(
        "status-update",
        "The call has another status.",
        {"status": _TEXT, "endedReason": _TEXT, "destination": _OBJECT, "transcript": _TEXT, **_HISTORY},
        ("status",),
        _BOTH,
    ),
    MessageType("conversation-update", "Something entered the history.", _HISTORY, ("messagesOpenAIFormatted",), _BOTH),
    MessageType(
        "transcript",
        'Words were recognised. Who asked for finals only gets them as transcript[transcriptType="final"].',
        {
            "role": _words("user", "assistant"),
            "transcriptType": _words("partial", "final"),
            "transcript": _TEXT,
            "isFiltered": _FLAG,
            "detectedThreats": {"type": "array", "items": _TEXT},
            "originalTranscript": _TEXT,
        },
        ("role", "transcriptType", "transcript"),
        _BOTH,
    ),
    MessageType(
        "speech-update",
        "One side began or ceased to speak.",
        {"status": _words("started", "stopped"), "role": _words("assistant", "user"), "turn": _NUMBER},
        ("status", "role"),
        _BOTH,
    ),
    MessageType("model-output", "The model wrote something.", {"output": {}, "turnId": _TEXT}, ("output",), _BOTH),
    MessageType("voice-input", "A text was given to the voice.", {"input": _TEXT}, ("input",), _BOTH),
    MessageType("user-interrupted", "The caller cut the assistant off.", {"turnId": _TEXT}, (), _BOTH),
    MessageType("hang", "The assistant has not answered for a while.", {}, (), _BOTH),
    MessageType("assistant.started", "An assistant is in charge.", {"newAssistant": _OBJECT}, (), _BOTH),
    MessageType(
        "assistant.speechStarted",
        "The assistant begins to sound. The text is the whole of the turn so far.",
        {"text": _TEXT, "turn": _NUMBER, "source": _words("model", "force-say", "custom-voice"), "timing": _OBJECT},
        ("text",),
        _BOTH,
    ),
    MessageType(
        "transfer-update",
        "The call goes to another assistant or number.",
        {"destination": _OBJECT, "toAssistant": _OBJECT, "fromAssistant": _OBJECT},
        (),
        _BOTH,
    ),
    MessageType(
        "end-of-call-report",
        "Everything there is to know about a call that has ended.",
        {
            "endedReason": _TEXT,
            "cost": _NUMBER,
            "costs": _LIST,
            "costBreakdown": _OBJECT,
            "startedAt": _TEXT,
            "endedAt": _TEXT,
            "analysis": _OBJECT,
            "transcript": _TEXT,
            "messages": _LIST,
            "destination": _OBJECT,
            "compliance": _OBJECT,
            "recordingUrl": _TEXT,
            "stereoRecordingUrl": _TEXT,
            "durationMs": _NUMBER,
            "durationSeconds": _NUMBER,
            "durationMinutes": _NUMBER,
        },
        ("endedReason", "analysis", "artifact"),
    ),
    MessageType(
        "language-change-detected",
        "The caller speaks another language. May be listed as language-changed too.",
        {"language": _TEXT},
        ("language",),
        _BOTH,
    ),
    MessageType(
        "call.artifact.upload",
        "A recording or the log of a call was stored.",
        {"artifacts": _UPLOADS},
        ("artifacts",),
    ),
    MessageType("call.deleted", "A call was deleted."),
    MessageType("call.delete.failed", "One of several calls could not be deleted."),
    MessageType("chat.created", "A chat was answered.", {}, ("chat",)),
    MessageType("chat.deleted", "A chat was deleted.", {}, ("chat",)),
    MessageType("session.created", "A session was created.", {"session": _OBJECT}, ("session",)),
    MessageType("session.updated", "A session was changed.", {"session": _OBJECT}, ("session",)),
    MessageType("session.deleted", "A session was deleted.", {"session": _OBJECT}, ("session",)),
    MessageType(
        "tool-calls",
        "The model calls tools of this server.",
        {"toolCallList": _LIST, "toolCalls": _LIST, "toolWithToolCallList": _LIST},
        ("toolCallList",),
        _BOTH,
        {"type": "object", "properties": {"results": {"type": "array", "items": _RESULT}, "error": _TEXT}},
    ),
    MessageType(
        "assistant-request",
        "Who answers a call that names nobody? Asked once, and answered within 7.5 seconds.",
        answer={
            "type": "object",
            "description": "The first of these keys counts.",
            "properties": {
                "destination": _OBJECT,
                "assistantId": _TEXT,
                "assistant": _OBJECT,
                "squadId": _TEXT,
                "squad": _OBJECT,
                "assistantOverrides": _OBJECT,
                "squadOverrides": _OBJECT,
                "error": {"type": "string", "description": "Said to the caller; the call ends."},
            },
        },
    ),
    MessageType(
        "knowledge-base-request",
        "What is known about what the caller said last? Answered within ten seconds.",
        _HISTORY,
        ("messagesOpenAIFormatted",),
        answer={
            "type": "object",
            "properties": {
                "documents": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"content": _TEXT, "similarity": _NUMBER, "uuid": _TEXT},
                        "required": ["content"],
                    },
                },
                "message": {"type": ["object", "string"], "description": "Said in the model's place."},
            },
        },
    ),
    MessageType(
        "voice-request",
        "Speak this text. Answered with raw audio: pcm_s16le, mono, at the rate that is asked for.",
        {"text": _TEXT, "sampleRate": _NUMBER},
        ("text", "sampleRate"),
        answer={"type": "string", "contentMediaType": "application/octet-stream"},
    ),
    MessageType(
        "transfer-destination-request", "Where is the caller to be transferred to?", {}, answer=_DESTINATION_ANSWER
    ),
    MessageType(
        "handoff-destination-request",
        "Which assistant is to take over?",
        {"parameters": _OBJECT},
        ("parameters",),
        answer={"type": "object", "properties": {"destination": _OBJECT, "result": _TEXT, "error": _TEXT}},
    ),
    MessageType(
        "call.endpointing.request",
        "Has the caller finished?",
        _HISTORY,
        ("messagesOpenAIFormatted",),
        answer={
            "type": "object",
            "properties": {"timeoutSeconds": {"type": "number", "minimum": 0, "maximum": 15}},
            "required": ["timeoutSeconds"],
        },
    ),
    MessageType("tool-calls-result", "A tool answered.", {"toolCallResult": _OBJECT}, ("toolCallResult",), _CLIENT),
    MessageType(
        "tool.completed", "A tool has a result, as the history shows it.", {"messages": _LIST}, ("messages",), _CLIENT
    ),
    MessageType(
        "metadata",
        "What a tool's answer had for the client (its metadata), as JSON.",
        {"metadata": _TEXT},
        ("metadata",),
        _CLIENT,
    ),
)
"""Those that callfold sends; more can be listed than there are causes for here (docs/messages.md)."""

CLIENT_CONTROLS: Final[Mapping[str, Schema]] = {
    "say": {
        "type": "object",
        "properties": {
            "content": _TEXT,
            "message": {"type": "string", "description": "The same, as browsers' SDKs write it."},
            "endCallAfterSpoken": _FLAG,
            "interruptionsEnabled": _FLAG,
            "interruptAssistantEnabled": _FLAG,
        },
    },
    "add-message": {
        "type": "object",
        "properties": {"message": _OBJECT, "triggerResponseEnabled": {"type": "boolean"}},
    },
    "control": {
        "type": "object",
        "properties": {
            "control": _words(
                "mute-assistant", "unmute-assistant", "mute-customer", "unmute-customer", "say-first-message"
            )
        },
        "required": ["control"],
    },
    "end-call": _OBJECT,
    "hangup": _OBJECT,
    "transfer": {"type": "object", "properties": {"destination": _OBJECT, "content": _TEXT}},
    "handoff": {"type": "object", "properties": {"destination": _OBJECT, "content": _TEXT}},
    "dtmf": {"type": "object", "properties": {"digit": _TEXT, "digits": _TEXT}},
    "tool-call-result": {
        "type": "object",
        "properties": {"toolCallId": _TEXT, "result": {}, "error": _TEXT},
        "required": ["toolCallId"],
    },
}
"""What a client may send as a text frame, by ``type``; the control URL takes the same."""

TRANSCRIBER_START: Final[Schema] = {
    "type": "object",
    "properties": {
        "type": {"const": "start"},
        "encoding": {"const": "linear16"},
        "container": {"const": "raw"},
        "sampleRate": _NUMBER,
        "channels": _NUMBER,
    },
    "required": ["type", "encoding", "container", "sampleRate", "channels"],
}
"""The first message to a tenant's own transcriber; audio of two channels follows, the caller's first."""

TRANSCRIBER_RESPONSE: Final[Schema] = {
    "type": "object",
    "properties": {
        "type": {"const": "transcriber-response"},
        "transcription": _TEXT,
        "channel": _words("customer", "assistant"),
        "transcriptType": _words("partial", "final"),
    },
    "required": ["type", "transcription"],
}
"""What a tenant's own transcriber answers."""

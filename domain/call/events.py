"""What can happen in a call. High-volume facts (partials, tokens, marks) are fragments, not events.

``at_ms`` and every other ``_ms`` instant counts on the call's own monotonic clock: milliseconds since the call was
claimed by the process that serves it. ``call.started`` holds the wall-clock anchor of that clock, so any instant
can be shown as a time of day, and every delay is derived, never stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from domain.event import Event, Personal

Role = Literal["system", "user", "assistant", "tool"]
Track = Literal["stereo", "mono", "customer", "assistant", "log"]
ToolFailure = Literal["timeout", "http-status", "bad-body", "refused", "unreachable", "no-result", "error", "rejected"]
Interruption = Literal["voice", "words", "phrase", "control"]
Activation = Literal["handoff", "transfer", "control"]
TransferStatus = Literal["connected", "completed", "failed", "busy", "no-answer", "voicemail", "cancelled"]


class ConfigurationUse(msgspec.Struct, frozen=True, kw_only=True):
    """A stored configuration that a call uses, and the version it was found at (``v3``)."""

    kind: str
    id: str
    version: str


class CallCreated(Event, frozen=True, kw_only=True):
    """Accepted and queued. ``request`` is the body as sent (target, overrides, customer, metadata).

    ``assistant_version`` is the version that the assistant's traffic allocation chose, where it chose one.
    """

    TYPE: ClassVar[str] = "call.created"
    org_id: str
    type: str
    request: dict[str, Any]
    transport: dict[str, Any]
    assistant_id: str | None = None
    name: str | None = None
    assistant_version: str | None = None


class CallRenamed(Event, frozen=True, kw_only=True):
    """The label that people see has changed; ``None`` takes it away."""

    TYPE: ClassVar[str] = "call.renamed"
    name: str | None


class CallClaimed(Event, frozen=True, kw_only=True):
    """A process serves the call from now on. A reaper ends the call when the owner's lease has run out.

    ``address`` is the base URL at which other processes of the installation reach the owner; empty where none can.
    """

    TYPE: ClassVar[str] = "call.claimed"
    owner: str
    lease_seconds: float
    address: str = ""


class CallStarted(Event, frozen=True, kw_only=True):
    """Media flows. ``assistant`` is the resolved configuration (overrides merged, variables known).

    ``assistant_id`` names it where it is stored, also as a member of a squad. ``late_templates`` are the wire paths of
    texts that were left as templates, because they name what is only known later in the call. ``used`` lists every
    stored configuration that went into it.
    """

    TYPE: ClassVar[str] = "call.started"
    clock_origin: datetime
    at_ms: float
    assistant: dict[str, Any]
    assistant_version: str | None = None
    variable_values: dict[str, Any] = msgspec.field(default_factory=dict)
    assistant_id: str | None = None
    late_templates: tuple[str, ...] = ()
    used: tuple[ConfigurationUse, ...] = ()


class AssistantActivated(Event, frozen=True, kw_only=True):
    """Another assistant has taken over the conversation. Who began it stands in ``call.started``.

    ``assistant`` and what belongs to it is as in ``call.started``. ``context`` is the type of the context engineering
    plan, ``max_messages`` its number where it has one; ``removed_calls`` are tool calls that left the history with it.
    """

    TYPE: ClassVar[str] = "call.assistant_activated"
    by: Activation
    assistant: dict[str, Any]
    context: str
    at_ms: float
    name: str = ""
    from_name: str = ""
    assistant_id: str | None = None
    assistant_version: str | None = None
    squad_id: str | None = None
    tool_call_id: str = ""
    max_messages: int | None = None
    removed_calls: tuple[str, ...] = ()
    late_templates: tuple[str, ...] = ()
    used: tuple[ConfigurationUse, ...] = ()


class VariablesSet(Event, frozen=True, kw_only=True):
    """Variables of the call got values: from the tool call named, or from its hand-off."""

    TYPE: ClassVar[str] = "call.variables_set"
    values: dict[str, Any]
    tool_call_id: str
    at_ms: float


class TransferRequested(Event, frozen=True, kw_only=True):
    """The caller is to be connected to a number or a SIP address. ``mode`` is the transfer plan's."""

    TYPE: ClassVar[str] = "call.transfer_requested"
    transfer_id: str
    destination: dict[str, Any]
    mode: str
    at_ms: float


class TransferEnded(Event, frozen=True, kw_only=True):
    """What became of a transfer; ``detail`` says why where it failed."""

    TYPE: ClassVar[str] = "call.transfer_ended"
    transfer_id: str
    status: TransferStatus
    at_ms: float
    detail: str = ""


class HookTriggered(Event, frozen=True, kw_only=True):
    """A hook of the assistant fired. ``actions`` are what it did (``say``, ``message.add``, ``tool:name``), ``count``
    is how often it has fired by now."""

    TYPE: ClassVar[str] = "call.hook_triggered"
    on: str
    actions: tuple[str, ...]
    count: int
    at_ms: float
    name: str = ""


class VoicemailDetected(Event, frozen=True, kw_only=True):
    """A machine has answered. ``by`` says what told: its greeting's words, its beep, the model, or the carrier."""

    TYPE: ClassVar[str] = "call.voicemail_detected"
    by: Literal["transcript", "audio", "model", "carrier"]
    at_ms: float
    beep_ms: float | None = None


class RecordingConsentAnswered(Event, frozen=True, kw_only=True):
    """The caller has agreed to being recorded, or not. ``kind`` says what was taken for an answer: ``stay-on-line``
    (they heard what it is about and stayed) or ``verbal`` (they said it)."""

    TYPE: ClassVar[str] = "call.recording_consent_answered"
    kind: Literal["stay-on-line", "verbal"]
    granted: bool
    at_ms: float


class TranscriptFinalized(Event, frozen=True, kw_only=True):
    """One final fragment of recognised speech; a user turn can have several."""

    TYPE: ClassVar[str] = "call.transcript_finalized"
    role: Literal["user", "assistant"]
    text: Personal
    turn: int
    at_ms: float
    confidence: float | None = None


class LanguageChanged(Event, frozen=True, kw_only=True):
    """The caller has begun to speak another language, as the transcriber tells; both as ISO 639 codes."""

    TYPE: ClassVar[str] = "call.language_changed"
    language: str
    from_language: str
    at_ms: float


class TurnDecided(Event, frozen=True, kw_only=True):
    """The user's turn is over. ``rule`` names what decided, ``wait_ms`` the pause it asked for."""

    TYPE: ClassVar[str] = "call.turn_decided"
    turn: int
    rule: str
    wait_ms: float
    at_ms: float


class MessageCommitted(Event, frozen=True, kw_only=True):
    """A message entered the conversation's history.

    For the assistant ``text`` is what was heard and ``generated_text`` what the model wrote, where they differ.
    ``source`` says where a spoken text came from: ``model``, ``first-message``, ``say``, ``tool-message``,
    ``end-message``, ``fallback``. ``original_text`` is what the caller said where the security filter changed it,
    because of ``threats`` (filter types).
    """

    TYPE: ClassVar[str] = "call.message_committed"
    message_id: str
    role: Role
    text: Personal
    started_ms: float
    ended_ms: float
    turn: int
    generated_text: Personal | None = None
    source: str = ""
    interrupted: bool = False
    confidence: float | None = None
    original_text: Personal | None = None
    threats: tuple[str, ...] = ()


class AssistantInterrupted(Event, frozen=True, kw_only=True):
    """The caller cut the assistant off. ``heard_ms`` of audio had been played by then. ``turn_id`` is what messages to
    clients and servers call the model's output that was cut."""

    TYPE: ClassVar[str] = "call.assistant_interrupted"
    turn: int
    by: Interruption
    heard_ms: float
    at_ms: float
    turn_id: str = ""


class ToolCalled(Event, frozen=True, kw_only=True):
    """The model asked for a tool. ``kind`` is the tool's type word, ``arguments`` what the model filled in."""

    TYPE: ClassVar[str] = "call.tool_called"
    tool_call_id: str
    name: str
    kind: str
    arguments: dict[str, Any]
    turn: int
    at_ms: float


class ToolCompleted(Event, frozen=True, kw_only=True):
    """The tool answered; ``result`` is the text that entered the model's history."""

    TYPE: ClassVar[str] = "call.tool_completed"
    tool_call_id: str
    name: str
    result: Personal
    at_ms: float


class ToolFailed(Event, frozen=True, kw_only=True):
    """``failure`` is the category, ``error`` what the model is told."""

    TYPE: ClassVar[str] = "call.tool_failed"
    tool_call_id: str
    name: str
    failure: ToolFailure
    error: Personal
    at_ms: float


class TurnMeasured(Event, frozen=True, kw_only=True):
    """The measuring points of one assistant turn, absent where the turn had none (a first message has no t0 to t4).

    t0 last voiced user frame, t1 final text, t2 turn decision, t3 model request, t4 first token,
    t5 first chunk to the voice, t6 first audio byte, t7 first frame sent.
    """

    TYPE: ClassVar[str] = "call.turn_measured"
    turn: int
    source: str
    t0_ms: float | None = None
    t1_ms: float | None = None
    t2_ms: float | None = None
    t3_ms: float | None = None
    t4_ms: float | None = None
    t5_ms: float | None = None
    t6_ms: float | None = None
    t7_ms: float | None = None


class UsageMetered(Event, frozen=True, kw_only=True):
    """A meter reading. Money is derived from it by the dated price table named in ``price_table``.

    ``meter`` is a cost kind (``transport``, ``transcriber``, ``model``, ``voice``, ``vapi``). ``quantities`` holds
    ``minutes``, ``promptTokens``, ``completionTokens``, ``cachedPromptTokens`` or ``characters``. ``config`` is the
    provider configuration the cost row shows.
    """

    TYPE: ClassVar[str] = "call.usage_metered"
    meter: Literal["transport", "transcriber", "model", "voice", "vapi"]
    provider: str
    quantities: dict[str, float]
    price_table: str
    model: str = ""
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    turn: int | None = None


class Warned(Event, frozen=True, kw_only=True):
    """Something a person should know that does not end the call (unknown template variable, shed load, hang)."""

    TYPE: ClassVar[str] = "call.warned"
    code: str
    detail: str
    at_ms: float | None = None


class CallControlled(Event, frozen=True, kw_only=True):
    """Somebody steered the running call. What came of it, and the words of it if there are any, are other events.

    ``action`` is the type of the message (``say``, ``end-call``), ``what`` its ``control`` where it has one
    (``mute-customer``). ``by`` is the caller's own connection, or whoever has the call's control URL.
    """

    TYPE: ClassVar[str] = "call.controlled"
    action: str
    by: Literal["caller", "operator"]
    at_ms: float
    what: str = ""


class ListenerJoined(Event, frozen=True, kw_only=True):
    """Somebody with the call's listen URL hears it from here on."""

    TYPE: ClassVar[str] = "call.listener_joined"
    at_ms: float


class ArtifactStored(Event, frozen=True, kw_only=True):
    """A recording or log lies in the object store under ``location``; ``sha256`` is hex, of the bytes stored there."""

    TYPE: ClassVar[str] = "call.artifact_stored"
    track: Track
    location: str
    sha256: str
    size_bytes: int
    content_type: str
    duration_ms: float | None = None


class CallEnded(Event, frozen=True, kw_only=True):
    """Terminal; exactly once per call. ``reason`` is Vapi's ``endedReason``. ``reports`` false: no report is made from
    the log, which may not have the call's words; the process that held the call tells them to its server, or nobody."""

    TYPE: ClassVar[str] = "call.ended"
    reason: str
    at_ms: float | None = None
    message: str | None = None
    reports: bool = True


class CallDeleted(Event, frozen=True, kw_only=True):
    """The call is forgotten: no read shows it any more."""

    TYPE: ClassVar[str] = "call.deleted"


class CallDeletionFailed(Event, frozen=True, kw_only=True):
    """Somebody wanted the call deleted, along with others, and it could not be: it stays. ``code`` and ``reason`` are
    those of the answer."""

    TYPE: ClassVar[str] = "call.deletion_failed"
    code: str
    reason: str

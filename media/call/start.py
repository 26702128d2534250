"""Everything before the first sound: resolve the assistant, find its providers, and put the call together.

What cannot start is refused with the ended reason the API documents, and the call gets its terminal event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from domain.assistant.state import ActiveAssistant, version_label
from domain.call.events import CallStarted, Warned
from domain.call.resolution import Resolved, resolve_assistant
from domain.call.state import KeptCall
from domain.call.variables import CallFacts
from domain.call.wire import CallUrls, call_body
from domain.egress import EgressPolicy
from domain.live_calls import CallSocket
from domain.log.ports import Documents
from domain.write_only import without_secrets
from media.audio.formats import AudioFormat, UnsupportedFormat
from media.audio.intake import Intake
from media.audio.playout import Playout
from media.audio.recording import Recording
from media.audio.voice_activity import Detector, VoiceActivity
from media.call.call_clock import CallClock
from media.call.client_messages import ClientMessageFilter
from media.call.conversation import MachineConversation
from media.call.hearing import Hearing
from media.call.listeners import Listeners
from media.call.model_runner import ModelRunner
from media.call.outbox import Outbox
from media.call.parts import Conversation, Parts
from media.call.providers import Chosen, Providers, choose
from media.call.session import CallSession
from media.call.settings import MediaSettings
from media.call.speaking import Speaking
from media.call.transcriber_runner import TranscriberRunner
from media.call.voice_runner import VoiceCache, VoiceRunner
from media.machine.plan import CallPlan, PlanInvalid
from media.providers.errors import ProviderError
from media.providers.language_model import ModelRequest
from media.tools.egress import guarded_client
from media.tools.endpointing_question import EndpointingQuestions
from media.tools.function_call import FunctionCaller
from media.transports.websocket import WebSocketTransport


class StartRefused(Exception):
    """The call cannot begin. ``reason`` is its ``endedReason``, ``message`` what a person needs to know."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every call of the process is put together from."""

    documents: Documents
    providers: Providers
    ended_reason: Callable[[ProviderError], str]
    conversation: Callable[[CallPlan], Conversation]
    detector: Callable[[], Detector]
    outbox: Outbox
    voice_cache: VoiceCache
    files: Executor
    settings: MediaSettings
    price_table: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that can begin."""

    plan: CallPlan
    resolved: Resolved
    assistant_version: str | None
    chosen: Chosen
    audio_format: AudioFormat


def warm_up(workshop: Workshop, egress: EgressPolicy, now: datetime) -> None:
    """Do once what the first call would be late by: load the detector, the templates, the machine, the certificates.

    Blocking, some tens of milliseconds.
    """
    facts = CallFacts(call_id="", type="", started_at=now, assistant_id=None, customer={}, transport={})
    config = {"firstMessage": "{{ now }}", "model": {"messages": [{"role": "system", "content": "{{ date }}"}]}}
    resolved = resolve_assistant(config, None, facts, now)
    MachineConversation(CallPlan.from_assistant(resolved.config)).begin(0.0)
    workshop.detector()
    guarded_client(egress, timeout_s=workshop.settings.tool_timeout_s)


def prepare(call: KeptCall, clock: CallClock, workshop: Workshop) -> Prepared:
    """Resolve what the call runs with. Raises ``StartRefused``."""
    identity = call.identity
    config, version = _configuration(call, workshop.documents)
    facts = CallFacts(
        call_id=identity.id,
        type=identity.type,
        started_at=clock.origin,
        assistant_id=identity.assistant_id,
        customer=_mapping(identity.request.get("customer")),
        transport=identity.transport,
    )
    overrides = identity.request.get("assistantOverrides")
    resolved = resolve_assistant(config, overrides if isinstance(overrides, Mapping) else None, facts, clock.origin)
    try:
        audio_format = AudioFormat.from_transport(identity.transport)
    except UnsupportedFormat as error:
        raise StartRefused("call.start.error-get-transport", str(error)) from error
    try:
        chosen = choose(workshop.providers, resolved.config)
    except ProviderError as error:
        raise StartRefused(workshop.ended_reason(error), str(error)) from error
    traits = chosen.transcribers[0].traits
    try:
        plan = CallPlan.from_assistant(
            resolved.config,
            native_end_of_turn=traits.native_end_of_turn,
            final_on_request=traits.needs_finalize,
            price_table=workshop.price_table,
            clock_origin_ms=clock.origin.timestamp() * 1000,
        )
    except PlanInvalid as error:
        raise StartRefused("assistant-not-valid", str(error)) from error
    return Prepared(plan, resolved, version, chosen, audio_format)


def open_session(
    call: KeptCall,
    clock: CallClock,
    prepared: Prepared,
    workshop: Workshop,
    new_session: type[CallSession] = CallSession,
) -> CallSession:
    """The session of a prepared call, with ``CallStarted`` as its first event."""
    identity = call.identity
    settings = workshop.settings
    session = new_session(
        workshop.conversation(prepared.plan),
        call_id=identity.id,
        clock=clock,
        journal=workshop.outbox.journal(identity.id),
        fragments=workshop.outbox.fragments.open(identity.id, "call", identity.org_id, clock.origin),
        client_messages=ClientMessageFilter(prepared.plan.client_messages),
        files=workshop.files,
        closing_grace_s=settings.closing_grace_s,
    )
    session.record(
        CallStarted(
            clock_origin=clock.origin,
            at_ms=clock.now_ms(),
            assistant=prepared.resolved.config,
            assistant_version=prepared.assistant_version,
            variable_values=prepared.resolved.variable_values,
        )
    )
    session.note(
        "machine.plan",
        {
            "native_end_of_turn": prepared.chosen.transcribers[0].traits.native_end_of_turn,
            "final_on_request": prepared.plan.final_on_request,
            "price_table": workshop.price_table,
        },
    )
    for warning in prepared.resolved.warnings:
        detail = f"{warning.field}: {warning.detail}" if warning.field else warning.detail
        session.record(Warned(code=warning.code, detail=detail, at_ms=clock.now_ms()))
    return session


async def open_recording(session: CallSession, prepared: Prepared, workshop: Workshop) -> Recording | None:
    """The call's recording, where it is to have one and the disk lets it."""
    if not _recorded(prepared.resolved.config):
        return None
    path = recording_path(workshop.settings.live_dir, session.call_id)
    try:
        return await asyncio.get_running_loop().run_in_executor(workshop.files, Recording, path)
    except OSError as error:
        session.warned("recording-stopped", f"the recording cannot be written: {error.strerror or error}")
        return None


def assemble(
    session: CallSession,
    socket: CallSocket,
    prepared: Prepared,
    workshop: Workshop,
    client: httpx.AsyncClient,
    recording: Recording | None,
    *,
    opened_ms: float,
) -> Parts:
    """Everything the session drives. ``client`` must be guarded against inner addresses.

    ``opened_ms`` is the instant at which the caller's connection was accepted, a little before the call's zero.
    """
    settings = workshop.settings
    config = prepared.resolved.config
    intake = Intake(lead_ms=settings.input_lead_ms, cap_ms=settings.input_cap_ms, opened_ms=opened_ms)
    transport = WebSocketTransport(
        socket,
        prepared.audio_format,
        session,
        intake=intake,
        max_message_bytes=settings.max_message_bytes,
        send_cap_ms=settings.send_cap_ms,
    )
    listeners = Listeners(settings.listener_cap_ms)
    playout = Playout(
        Speaking(transport, recording, listeners),
        lead_ms=settings.playout_lead_ms,
        on_started=session.playout_started,
        on_finished=session.playout_finished,
    )
    transcriber = TranscriberRunner(
        prepared.chosen.transcribers, session.feed, ended_reason=workshop.ended_reason, warn=session.warned
    )
    activity = VoiceActivity(
        workshop.detector(),
        gate_peak=settings.voice_gate_peak,
        start_frames=settings.voice_start_frames,
        hangover_ms=settings.silence_hangover_ms,
    )
    return Parts(
        transport=transport,
        playout=playout,
        hearing=Hearing(intake, activity, transcriber, recording, listeners, session.feed),
        transcriber=transcriber,
        model=_model_runner(session, prepared, workshop),
        voice=_voice_runner(session, playout, prepared.chosen, workshop),
        tools=FunctionCaller(
            client,
            config,
            snapshot=lambda: _snapshot(session.call_id, config, workshop.documents),
            timestamp_ms=lambda: round(session.clock.wall_time(session.now_ms()).timestamp() * 1000),
            spawn=session.spawn,
            feed=session.feed,
            warn=session.warned,
            timeout_s=settings.tool_timeout_s,
            result_cap=settings.tool_result_cap,
        ),
        endpointing=EndpointingQuestions(
            client,
            config,
            spawn=session.spawn,
            feed=session.feed,
            warn=session.warned,
            call={"id": session.call_id},
        ),
        listeners=listeners,
        recording=recording,
    )


def recording_path(live_dir: Path, call_id: str) -> Path:
    """Where a running call's recording grows."""
    return live_dir / f"{call_id}.wav"


def _configuration(call: KeptCall, documents: Documents) -> tuple[Mapping[str, Any], str | None]:
    identity = call.identity
    transient = identity.request.get("assistant")
    if isinstance(transient, Mapping):
        return transient, None
    if identity.assistant_id is None:
        raise StartRefused(
            "call-start-error-neither-assistant-nor-server-set", "The call names neither assistant nor assistantId."
        )
    document = documents.get("assistant", identity.assistant_id, org_id=identity.org_id)
    if document is None or not isinstance(document.state, ActiveAssistant):
        raise StartRefused("assistant-not-found", f"Assistant {identity.assistant_id} does not exist any more.")
    return document.state.config, version_label(document.state)


def _model_runner(session: CallSession, prepared: Prepared, workshop: Workshop) -> ModelRunner:
    model = _mapping(prepared.resolved.config.get("model"))
    call = {"id": session.call_id}
    request = ModelRequest(
        messages=(),
        tools=prepared.plan.tool_definitions,
        temperature=_number(model.get("temperature"), 0.5),
        max_tokens=int(_number(model.get("maxTokens"), 250)),
        context={"call": call, "metadata": prepared.resolved.config.get("metadata") or {}},
    )
    return ModelRunner(
        prepared.chosen.models,
        request,
        session.feed,
        session,
        ended_reason=workshop.ended_reason,
        first_token_s=workshop.settings.model_first_token_s,
        idle_s=workshop.settings.model_idle_s,
        warn=session.warned,
    )


def _voice_runner(session: CallSession, playout: Playout, chosen: Chosen, workshop: Workshop) -> VoiceRunner:
    return VoiceRunner(
        chosen.voices,
        chosen.voice_keys,
        workshop.voice_cache,
        playout,
        session.feed,
        session,
        now_ms=session.now_ms,
        ended_reason=workshop.ended_reason,
        first_audio_s=workshop.settings.voice_first_audio_s,
        ahead_ms=workshop.settings.synthesis_ahead_ms,
        warn=session.warned,
    )


def _snapshot(call_id: str, assistant: Mapping[str, Any], documents: Documents) -> dict[str, Any]:
    """``call``, ``assistant`` and ``artifact`` as a tool server sees them: as far as the log has them."""
    document = documents.get("call", call_id)
    body: dict[str, Any] = {"id": call_id} if document is None else call_body(document.state, urls=CallUrls())
    artifact = body.pop("artifact", None) or {"messages": []}
    body.pop("messages", None)
    return {"call": body, "assistant": without_secrets(dict(assistant)), "artifact": artifact}


def _recorded(assistant: Mapping[str, Any]) -> bool:
    return _mapping(assistant.get("artifactPlan")).get("recordingEnabled") is not False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

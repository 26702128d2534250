"""Everything before the first sound: resolve the assistant, find its providers, and put the call together.

What cannot start is refused with the ended reason the API documents, and the call gets its terminal event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from domain.call.events import CallStarted, Warned
from domain.call.resolution import Resolved, resolve_assistant
from domain.call.state import KeptCall
from domain.call.variables import CallFacts
from domain.configuration.lookup import Configurations, StoredConfigurations
from domain.egress import EgressPolicy
from domain.live_calls import CallSocket
from domain.log.ports import Documents, EventLog
from media.audio.ambience import office
from media.audio.beep import BeepDetector
from media.audio.formats import AudioFormat, UnsupportedFormat
from media.audio.intake import Intake
from media.audio.playout import Playout
from media.audio.recording import Recording
from media.audio.voice_activity import Detector, VoiceActivity
from media.call.call_clock import CallClock
from media.call.casting import CastingFailed, Role, first_role, resolved_role
from media.call.client_messages import ClientMessageFilter
from media.call.conversation import MachineConversation
from media.call.crew import Cast, cast, resolved_with
from media.call.hearing import Hearing
from media.call.listeners import Listeners
from media.call.model_runner import ModelRunner
from media.call.outbox import Outbox
from media.call.parts import Conversation, Parts
from media.call.providers import Providers
from media.call.retention import Retention, RetentionConflict, retention_of
from media.call.session import CallSession
from media.call.settings import MediaSettings
from media.call.speaking import Speaking
from media.call.stagehands import Toolbox, endpointing_questions, model_request, put_to_work
from media.call.transcriber_runner import TranscriberRunner
from media.call.voice_runner import VoiceCache, VoiceRunner
from media.machine.plan import CallPlan, PlanInvalid
from media.providers.errors import ProviderError
from media.tools.egress import guarded_client
from media.tools.mcp_tools import McpServers
from media.transports.websocket import WebSocketTransport


class StartRefused(Exception):
    """The call cannot begin. ``reason`` is its ``endedReason``, ``message`` what a person needs to know."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class EarlyWarnings:
    """Warnings from before the call has a session to record them."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, str]] = []
        self._take: Callable[[str, str], None] | None = None

    def warn(self, code: str, detail: str) -> None:
        """Record, now or as soon as that can be done."""
        if self._take is None:
            self._kept.append((code, detail))
        else:
            self._take(code, detail)

    def pass_to(self, take: Callable[[str, str], None]) -> None:
        """From now on there is somebody who records."""
        self._take = take
        for code, detail in self._kept:
            take(code, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every call of the process is put together from."""

    documents: Documents
    log: EventLog | None
    providers: Providers
    toolbox: Toolbox
    ended_reason: Callable[[ProviderError], str]
    conversation: Callable[[CallPlan], Conversation]
    detector: Callable[[], Detector]
    outbox: Outbox
    voice_cache: VoiceCache
    files: Executor
    settings: MediaSettings
    price_table: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who begins the call, with its templates filled in; the tools of its MCP servers are not known yet."""

    role: Role
    resolved: Resolved
    facts: CallFacts
    stored: Configurations

    @property
    def waits_for_servers(self) -> bool:
        """Whether MCP servers have to be asked for their tools before the call can begin."""
        tools = _mapping(self.resolved.config.get("model")).get("tools")
        return any(_mapping(tool).get("type") == "mcp" for tool in (tools if isinstance(tools, list) else ()))

    async def expanded(self, mcp: McpServers) -> Chosen:
        """The same with the tools of its MCP servers in place of them."""
        return replace(self, resolved=resolved_with(self.resolved, await mcp.expanded(self.resolved.config)))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that can begin."""

    cast: Cast
    org_id: str
    facts: CallFacts
    stored: Configurations
    audio_format: AudioFormat
    retention: Retention

    @property
    def plan(self) -> CallPlan:
        """What the machine holds the conversation by."""
        return self.cast.plan

    @property
    def resolved(self) -> Resolved:
        """The configuration of whoever begins."""
        return self.cast.resolved


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


def choose_assistant(call: KeptCall, clock: CallClock, workshop: Workshop) -> Chosen:
    """Find who begins the call, and fill in the templates. Raises ``StartRefused``."""
    identity = call.identity
    stored = StoredConfigurations(workshop.documents, workshop.log, identity.org_id)
    try:
        role = first_role(identity, stored)
        facts = CallFacts(
            call_id=identity.id,
            type=identity.type,
            started_at=clock.origin,
            assistant_id=role.assistant_id,
            customer=_mapping(identity.request.get("customer")),
            transport=identity.transport,
        )
        resolved = resolved_role(role, facts, clock.origin, stored)
    except CastingFailed as failed:
        raise StartRefused(failed.reason, failed.message) from failed
    return Chosen(role, resolved, facts, stored)


def prepare(call: KeptCall, chosen: Chosen, clock: CallClock, workshop: Workshop) -> Prepared:
    """Put together what the call runs with. Raises ``StartRefused``."""
    try:
        audio_format = AudioFormat.from_transport(call.identity.transport)
    except UnsupportedFormat as error:
        raise StartRefused("call.start.error-get-transport", str(error)) from error
    try:
        retention = retention_of(chosen.resolved.config, zero_data_retention=workshop.settings.zero_data_retention)
    except RetentionConflict as error:
        raise StartRefused("assistant-not-valid", str(error)) from error
    squad = chosen.role.squad
    try:
        made = cast(
            chosen.role,
            chosen.resolved,
            workshop.providers,
            price_table=workshop.price_table,
            clock_origin_ms=clock.origin.timestamp() * 1000,
            tool_budget=workshop.settings.tool_budget,
            max_duration_seconds=squad.max_duration_seconds if squad is not None else None,
        )
    except ProviderError as error:
        raise StartRefused(workshop.ended_reason(error), str(error)) from error
    except PlanInvalid as error:
        raise StartRefused("assistant-not-valid", str(error)) from error
    return Prepared(made, call.identity.org_id, chosen.facts, chosen.stored, audio_format, retention)


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
        retention=prepared.retention,
    )
    session.record(
        CallStarted(
            clock_origin=clock.origin,
            at_ms=clock.now_ms(),
            assistant=prepared.resolved.config,
            assistant_version=prepared.cast.role.version,
            variable_values=prepared.resolved.variable_values,
            assistant_id=prepared.cast.role.assistant_id,
            late_templates=prepared.resolved.late,
            used=(*prepared.cast.role.used, *prepared.resolved.used),
        )
    )
    squad = prepared.cast.role.squad
    session.note(
        "machine.plan",
        {
            "native_end_of_turn": prepared.cast.chosen.transcribers[0].traits.native_end_of_turn,
            "final_on_request": prepared.plan.final_on_request,
            "price_table": workshop.price_table,
            "tool_budget": prepared.plan.tool_budget,
            **({"max_duration_seconds": squad.max_duration_seconds} if squad is not None else {}),
        },
    )
    for warning in prepared.resolved.warnings:
        detail = f"{warning.field}: {warning.detail}" if warning.field else warning.detail
        session.record(Warned(code=warning.code, detail=detail, at_ms=clock.now_ms()))
    return session


async def open_recording(session: CallSession, prepared: Prepared, workshop: Workshop) -> Recording | None:
    """The call's recording, where it is to have one and the disk lets it."""
    if not prepared.retention.recording:
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
    mcp: McpServers,
    recording: Recording | None,
    *,
    opened_ms: float,
) -> Parts:
    """Everything the session drives. ``client`` must be guarded against inner addresses, ``mcp`` be open.

    ``opened_ms`` is the instant at which the caller's connection was accepted, a little before the call's zero.
    """
    settings = workshop.settings
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
    speaking = Speaking(transport, recording, listeners, office() if prepared.plan.background == "office" else None)
    playout = Playout(
        speaking,
        lead_ms=settings.playout_lead_ms,
        on_started=session.playout_started,
        on_finished=session.playout_finished,
    )
    transcriber = TranscriberRunner(
        prepared.cast.chosen.transcribers, session.feed, ended_reason=workshop.ended_reason, warn=session.warned
    )
    activity = VoiceActivity(
        workshop.detector(),
        gate_peak=settings.voice_gate_peak,
        start_frames=settings.voice_start_frames,
        hangover_ms=settings.silence_hangover_ms,
    )
    crew = put_to_work(
        session,
        prepared.cast,
        client,
        mcp,
        workshop.toolbox,
        org_id=prepared.org_id,
        facts=prepared.facts,
        stored=prepared.stored,
        providers=workshop.providers,
        documents=workshop.documents,
        settings=settings,
    )
    return Parts(
        transport=transport,
        playout=playout,
        hearing=Hearing(
            intake,
            activity,
            transcriber,
            recording,
            listeners,
            session.feed,
            beeps=BeepDetector() if prepared.plan.voicemail.wanted else None,
        ),
        transcriber=transcriber,
        model=_model_runner(session, prepared.cast, workshop),
        voice=_voice_runner(session, playout, prepared.cast, workshop),
        tools=crew,
        endpointing=endpointing_questions(session, prepared.cast, client),
        listeners=listeners,
        recording=recording,
        speaking=speaking,
    )


def recording_path(live_dir: Path, call_id: str) -> Path:
    """Where a running call's recording grows."""
    return live_dir / f"{call_id}.wav"


def _model_runner(session: CallSession, first: Cast, workshop: Workshop) -> ModelRunner:
    return ModelRunner(
        first.chosen.models,
        model_request(first, session.call_id),
        session.feed,
        session,
        ended_reason=workshop.ended_reason,
        first_token_s=workshop.settings.model_first_token_s,
        idle_s=workshop.settings.model_idle_s,
        warn=session.warned,
    )


def _voice_runner(session: CallSession, playout: Playout, first: Cast, workshop: Workshop) -> VoiceRunner:
    return VoiceRunner(
        first.chosen.voices,
        first.chosen.voice_keys,
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


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

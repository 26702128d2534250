"""A prepared call put together: its session, its recording, and every part of I/O that the session drives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from domain.call.events import CallStarted, Warned
from domain.call.state import Deleted, Ended, KeptCall
from domain.live_calls import CallSocket
from media.audio.beep import BeepDetector
from media.audio.intake import Intake
from media.audio.playout import Playout
from media.audio.recording import Recording
from media.audio.voice_activity import VoiceActivity
from media.call.call_clock import CallClock
from media.call.chronicle import Chronicle
from media.call.client_messages import ClientMessageFilter
from media.call.crew import Cast
from media.call.hearing import Hearing
from media.call.listeners import Listeners
from media.call.model_runner import ModelRunner
from media.call.parts import Parts
from media.call.proven_usage import is_metered
from media.call.providers import Providers
from media.call.room import Room
from media.call.session import CallSession
from media.call.sounds import FetchSound
from media.call.speaking import Speaking
from media.call.stagehands import endpointing_questions, model_request, put_to_work
from media.call.start import Prepared
from media.call.tenancy import Tenancy
from media.call.transcriber_runner import TranscriberRunner
from media.call.voice_runner import VoiceRunner, voices_of
from media.call.workshop import Workshop
from media.egress.client import HttpClient
from media.tools.knowledge_question import KnowledgeQuestions
from media.tools.mcp_tools import McpServers
from media.transports.websocket import WebSocketTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What belongs to one caller's connection. ``client`` must be guarded against inner addresses, ``mcp`` be open.

    ``opened_ms`` is the instant at which the connection was accepted, a little before the call's zero.
    """

    socket: CallSocket
    client: HttpClient
    mcp: McpServers
    tenancy: Tenancy
    providers: Providers
    opened_ms: float


def open_session(
    call: KeptCall,
    clock: CallClock,
    prepared: Prepared,
    workshop: Workshop,
    connection: Connection,
    *,
    started_ms: float,
) -> CallSession:
    """The session of a prepared call, with ``CallStarted`` (at ``started_ms``) as its first event."""
    identity = call.identity
    chronicle = Chronicle(
        identity.id,
        clock,
        workshop.outbox.journal(identity.id),
        workshop.outbox.fragments.open(identity.id, "call", identity.org_id, clock.origin),
        prepared.retention,
        metered_by_others=lambda: _is_metered(workshop, identity.id),
    )
    session = CallSession(
        workshop.conversation(prepared.plan),
        chronicle,
        client_messages=ClientMessageFilter(prepared.plan.client_messages),
        tell_server=connection.tenancy.live.tell,
        files=workshop.files,
        closing_grace_s=workshop.settings.closing_grace_s,
    )
    session.record(
        CallStarted(
            clock_origin=clock.origin,
            at_ms=started_ms,
            assistant=prepared.resolved.config,
            assistant_version=prepared.cast.role.version,
            variable_values=prepared.resolved.variable_values,
            assistant_id=prepared.cast.role.assistant_id,
            late_templates=prepared.resolved.late,
            used=(*prepared.cast.role.used, *prepared.resolved.used),
        )
    )
    squad = prepared.cast.role.squad
    chronicle.note(
        "machine.plan",
        {
            "native_end_of_turn": prepared.cast.chosen.transcribers[0].traits.native_end_of_turn,
            "final_on_request": prepared.plan.final_on_request,
            "price_table": workshop.price_table,
            "tool_budget": prepared.plan.tool_budget,
            "transport_provider": prepared.plan.transport.name,
            "thinks_ahead": prepared.plan.thinks_ahead,
            "server_available": prepared.plan.server_available,
            **({"earlier": prepared.plan.earlier} if prepared.plan.earlier and prepared.retention.words else {}),
            **({"interruption_words": words} if (words := prepared.plan.interruption_words) else {}),
            **({"max_duration_seconds": squad.max_duration_seconds} if squad is not None else {}),
        },
    )
    for warning in prepared.resolved.warnings:
        detail = f"{warning.field}: {warning.detail}" if warning.field else warning.detail
        session.record(Warned(code=warning.code, detail=detail, at_ms=clock.now_ms()))
    return session


async def open_recording(
    session: CallSession, prepared: Prepared, workshop: Workshop, *, started_ms: float
) -> Recording | None:
    """The call's recording, where it is to have one and the disk lets it.

    It begins where the call's seconds are counted from, however long somebody was asked who answers it.
    """
    if not prepared.retention.recording:
        return None
    path = recording_path(workshop.settings.live_dir, session.call_id)
    try:
        opening = partial(Recording, path, begins_ms=started_ms)
        return await asyncio.get_running_loop().run_in_executor(workshop.files, opening)
    except OSError as error:
        session.warned("recording-stopped", f"the recording cannot be written: {error.strerror or error}")
        return None


def assemble(
    session: CallSession, prepared: Prepared, workshop: Workshop, connection: Connection, recording: Recording | None
) -> Parts:
    """Everything the session drives."""
    settings = workshop.settings
    intake = Intake(lead_ms=settings.input_lead_ms, cap_ms=settings.input_cap_ms, opened_ms=connection.opened_ms)
    transport = WebSocketTransport(
        connection.socket,
        prepared.audio_format,
        session,
        intake=intake,
        parting=workshop.turnstile.passed,
        max_message_bytes=settings.max_message_bytes,
        send_cap_ms=settings.send_cap_ms,
    )
    listeners = Listeners(settings.listener_cap_ms)
    speaking = Speaking(transport, recording, listeners)
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
        connection.client,
        connection.mcp,
        connection.tenancy,
        workshop.toolbox,
        org_id=prepared.org_id,
        facts=prepared.facts,
        stored=prepared.stored,
        providers=connection.providers,
        settings=settings,
    )
    hearing = Hearing(
        intake,
        activity,
        transcriber,
        recording,
        listeners,
        session.feed,
        beeps=BeepDetector() if prepared.plan.voicemail.wanted else None,
    )

    async def fetch(url: str) -> bytes:
        return await workshop.sounds.fetch(url, connection.client)

    return Parts(
        transport=transport,
        playout=playout,
        hearing=hearing,
        transcriber=transcriber,
        model=_model_runner(session, prepared.cast, workshop, connection.tenancy),
        voice=_voice_runner(session, playout, prepared.cast, workshop, fetch),
        tools=crew,
        endpointing=endpointing_questions(session, prepared.cast, connection.tenancy),
        listeners=listeners,
        recording=recording,
        speaking=speaking,
        room=Room(prepared.plan, hearing, speaking, fetch, session.warned),
    )


def recording_path(live_dir: Path, call_id: str) -> Path:
    """Where a running call's recording grows."""
    return live_dir / f"{call_id}.wav"


def _model_runner(session: CallSession, first: Cast, workshop: Workshop, tenancy: Tenancy) -> ModelRunner:
    told = tenancy.told
    questions = KnowledgeQuestions(tenancy.servers, snapshot=told.brief, warn=session.warned)
    return ModelRunner(
        first.chosen.models,
        model_request(first, told),
        session.feed,
        session,
        ended_reason=workshop.ended_reason,
        first_token_s=workshop.settings.model_first_token_s,
        idle_s=workshop.settings.model_idle_s,
        warn=session.warned,
        inform=lambda messages: questions.informed(told.assistant, messages),
    )


def _voice_runner(
    session: CallSession, playout: Playout, first: Cast, workshop: Workshop, fetch: FetchSound
) -> VoiceRunner:
    return VoiceRunner(
        *voices_of(first.chosen),
        workshop.voice_cache,
        fetch,
        playout,
        session.feed,
        session,
        now_ms=session.now_ms,
        ended_reason=workshop.ended_reason,
        first_audio_s=workshop.settings.voice_first_audio_s,
        ahead_ms=workshop.settings.synthesis_ahead_ms,
        warn=session.warned,
    )


def _is_metered(workshop: Workshop, call_id: str) -> bool:
    document = workshop.documents.get("call", call_id)
    return document is not None and isinstance(document.state, Ended | Deleted) and is_metered(document.state.usage)

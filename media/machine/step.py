"""The call machine: ``step(state, input, now_ms) -> (state, outputs)``.

Pure and deterministic: the same inputs at the same times give the same outputs, so that a recorded call can be
stepped again. Each input is handed to the concern it belongs to; afterwards, whatever the input was, everything that
waits for a condition is looked at once: tool calls that were held back, a model to be asked, audio to be played, a
call to be finished.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from media.machine import (
    answering,
    consent,
    control,
    ending,
    endpointing,
    handovers,
    history,
    hooks,
    keypad,
    opening,
    phases,
    speaking,
    speculation,
    timers,
    tools,
    transfers,
    turns,
    usage,
    variables,
    voicemail,
)
from media.machine.hook_plan import CUSTOMER_INTERRUPTED
from media.machine.inputs import (
    AssistantResolved,
    BeepHeard,
    Connected,
    ControlReceived,
    DestinationAnswered,
    EagerTurnHeard,
    EndOfTurnHeard,
    EndpointingAnswered,
    EndRequested,
    FinalHeard,
    Input,
    KeyPressed,
    MachineAnswered,
    ModelCalledTools,
    ModelFailed,
    ModelFinished,
    ModelText,
    PartialHeard,
    PlayoutFinished,
    PlayoutStarted,
    ProviderFailed,
    SpeechStarted,
    SpeechStopped,
    TimerFired,
    ToolErred,
    ToolReturned,
    TranscriberReplaced,
    TransferProgressed,
    TransportClosed,
    TurnResumedHeard,
    VoiceFinished,
    VoiceStarted,
)
from media.machine.moment import Moment
from media.machine.outputs import Output
from media.machine.plan import CallPlan
from media.machine.state import MachineState, Phase

ENDED_BY_PHRASE = "assistant-said-end-call-phrase"
_PHRASE_SOURCES = ("model", "say", "tool-message", "hook")


def initial(plan: CallPlan, now_ms: float = 0.0) -> tuple[MachineState, tuple[Output, ...]]:
    """The state before the first input, and outputs to carry out at once: the first message goes to the voice while
    the caller is still being connected."""
    m = Moment(MachineState(plan=plan, variables=plan.variables, language=plan.language), now_ms)
    variables.render_prompt(m)
    if consent.wanted(m):
        consent.begin(m)
    else:
        opening.prepare(m)
    return m.state, tuple(m.outputs)


def step(state: MachineState, input: Input, now_ms: float) -> tuple[MachineState, tuple[Output, ...]]:
    """One input at its time. After ``HangUp`` every input is ignored."""
    if state.over:
        return state, ()
    m = Moment(state, now_ms)
    _HANDLERS[type(input)](m, input)
    _settle(m)
    return m.state, tuple(m.outputs)


def _settle(m: Moment) -> None:
    if m.state.over:
        return
    if m.state.handover is not None and m.state.phase is Phase.IDLE:
        # What is to be done about a silence that goes on is the next assistant's to say.
        phases.enter(m)
    tools.settle(m)
    if m.state.end_reason is None:
        turns.settle(m)
        if speculation.settle(m):
            tools.settle(m)
        speculation.begin_when_likely(m)
        answering.ask_when_possible(m)
    hooks.on_ending(m)
    speaking.open_gate(m)
    ending.finish_when_quiet(m)
    if not m.state.over:
        phases.enter(m)


def _on_connected(m: Moment, _: Connected) -> None:
    if m.state.connected_ms is not None or m.state.end_reason is not None:
        return
    m.set(connected_ms=m.now, last_said_ms=m.now)
    plan = m.plan
    m.notify("status-update", status="in-progress")
    history.begin(m)
    m.notify("assistant.started", newAssistant=plan.public())
    m.arm(timers.MAX_DURATION, m.now + plan.max_duration_ms)
    handovers.warn_of_ignored(m)
    hooks.on_connected(m)
    voicemail.on_connected(m)
    if plan.first_message_mode == opening.GENERATED and not consent.pending(m):
        m.set(answer_owed=True)
    phases.wait(m)


def _on_transport_closed(m: Moment, closed: TransportClosed) -> None:
    ending.cut(m, closed.reason)


def _on_end_requested(m: Moment, requested: EndRequested) -> None:
    if requested.farewell:
        ending.begin(m, requested.reason, requested.farewell)
    else:
        ending.cut(m, requested.reason)


def _on_model_failed(m: Moment, failed: ModelFailed) -> None:
    if speculation.on_failed(m, failed):
        return
    request = m.state.request
    if request is not None and request.request_id == failed.request_id:
        usage.meter_model(m, request, None)
        m.set(request=None)
        ending.cut(m, failed.ended_reason)


def _on_provider_failed(m: Moment, failed: ProviderFailed) -> None:
    ending.cut(m, failed.ended_reason)


def _on_playout_started(m: Moment, started: PlayoutStarted) -> None:
    speaking.on_playout_started(m, started)
    user = m.state.user
    if m.state.user_voiced and user is not None and user.text and m.state.end_reason is None:
        hooks.fire(m, CUSTOMER_INTERRUPTED)


def _on_playout_finished(m: Moment, finished: PlayoutFinished) -> None:
    utterance = speaking.on_playout_finished(m, finished)
    if utterance is None or m.state.end_reason is not None or finished.stopped:
        return
    if utterance.source == consent.SOURCE:
        consent.on_message_spoken(m)
        return
    if utterance.end_reason is not None:
        ending.begin(m, utterance.end_reason)
        return
    said = "".join(utterance.chunks).lower()
    if utterance.source in _PHRASE_SOURCES and any(phrase in said for phrase in m.plan.end_call_phrases):
        ending.begin(m, ENDED_BY_PHRASE, m.plan.end_call_message)


_HANDLERS: dict[type, Callable[[Moment, Any], None]] = {
    Connected: _on_connected,
    TransportClosed: _on_transport_closed,
    SpeechStarted: turns.on_speech_started,
    SpeechStopped: turns.on_speech_stopped,
    PartialHeard: turns.on_partial,
    FinalHeard: turns.on_final,
    EndOfTurnHeard: turns.on_end_of_turn,
    EagerTurnHeard: speculation.on_eager,
    TurnResumedHeard: speculation.on_resumed,
    TranscriberReplaced: endpointing.on_transcriber_replaced,
    EndpointingAnswered: endpointing.on_answered,
    ModelText: answering.on_text,
    ModelCalledTools: tools.on_called,
    ModelFinished: answering.on_finished,
    ModelFailed: _on_model_failed,
    VoiceStarted: speaking.on_voice_started,
    VoiceFinished: speaking.on_voice_finished,
    ProviderFailed: _on_provider_failed,
    PlayoutStarted: _on_playout_started,
    PlayoutFinished: _on_playout_finished,
    TimerFired: timers.on_timer,
    ToolReturned: tools.on_returned,
    ToolErred: tools.on_erred,
    DestinationAnswered: handovers.on_destination,
    AssistantResolved: handovers.on_resolved,
    TransferProgressed: transfers.on_progress,
    KeyPressed: keypad.on_key,
    BeepHeard: voicemail.on_beep,
    MachineAnswered: voicemail.on_machine,
    ControlReceived: control.on_control,
    EndRequested: _on_end_requested,
}

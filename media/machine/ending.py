"""How a conversation ends: a farewell is spoken first or not, and the last outputs come exactly once."""

from __future__ import annotations

from domain.call.events import CallEnded
from media.machine import answering, history, speaking, speculation, usage
from media.machine.moment import Moment
from media.machine.outputs import AbortModel, HangUp
from media.machine.state import Phase

TIMER = "finish"
FAREWELL_LIMIT_MS = 30_000.0
"""A farewell that was not spoken by then is not waited for any longer."""
STOP_LIMIT_MS = 1_000.0
"""How long to wait for the word on how much was heard of a speech cut off by the end."""


def begin(m: Moment, reason: str, farewell: str = "") -> None:
    """End after what plays now and, where there is one, the farewell. The first reason given stays."""
    if m.state.end_reason is not None:
        return
    _give_up(m, reason)
    for utterance in m.state.utterances:
        if not utterance.opened:
            speaking.drop(m, utterance)
    if farewell:
        speaking.say(m, farewell, "end-message", interruptible=False)
    m.arm(TIMER, m.now + FAREWELL_LIMIT_MS)


def cut(m: Moment, reason: str) -> None:
    """End now, in the middle of a word. Only what was heard of it is waited for."""
    if m.state.end_reason is None:
        _give_up(m, reason)
    _abort(m)
    for utterance in m.state.utterances:
        if not utterance.opened:
            speaking.drop(m, utterance)
        elif not utterance.stopping:
            speaking.stop(m, utterance)
    m.arm(TIMER, m.now + STOP_LIMIT_MS)


def finish_when_quiet(m: Moment) -> None:
    """Once nothing is left to be spoken or answered for, hang up. A model answer that called tools is complete but
    for its token counts, which are worth waiting for."""
    if m.state.end_reason is not None and not m.state.utterances and m.state.request is None and not m.state.hook_tools:
        finish(m)


def finish(m: Moment) -> None:
    """The last outputs of the call."""
    reason = m.state.end_reason
    assert reason is not None, "an ending has a reason"
    _abort(m)
    history.commit_asides(m)
    history.commit_user(m)
    usage.meter_call(m)
    for timer in tuple(m.state.timers):
        m.disarm(timer)
    m.set(over=True, phase=Phase.ENDING, utterances=(), tools=(), hook_tools=())
    m.notify("status-update", status="ended", endedReason=reason)
    m.record(CallEnded(reason=reason, at_ms=m.now))
    m.emit(HangUp(reason=reason))


def _abort(m: Moment) -> None:
    request = m.state.request
    if request is not None and request.ahead_of:
        speculation.give_up(m)
    elif request is not None:
        m.emit(AbortModel(request_id=request.request_id))
        usage.meter_model(m, request, None)
        m.set(request=None)


def _give_up(m: Moment, reason: str) -> None:
    m.set(end_reason=reason, answer_owed=False, ask_again=False)
    answering.abort(m)
    for timer in tuple(m.state.timers):
        m.disarm(timer)

"""The turn-taking state, derived from the facts, and the timers that run because of it."""

from __future__ import annotations

from media.machine import answering, hooks, interruption, timers
from media.machine.moment import Moment
from media.machine.outputs import Note
from media.machine.state import MachineState, Phase

_OWED = (Phase.THINKING, Phase.CORKED)


def phase_of(state: MachineState) -> Phase:
    """The state of the turn-taking table that describes the facts."""
    if state.over or state.end_reason is not None:
        return Phase.ENDING
    if state.speaking is not None:
        return Phase.ASSISTANT_SPEAKING
    if interruption.BACKOFF in state.timers:
        return Phase.BACKOFF
    if state.user is not None and not state.user.decided:
        return Phase.USER_SPEAKING if state.user_voiced else Phase.ENDPOINTING
    if state.utterances:
        return Phase.CORKED
    if state.tools or state.handover is not None or state.voicemail == "waiting":
        return Phase.TOOL_WAIT
    if state.request is not None or state.answer_owed:
        return Phase.THINKING
    return Phase.USER_SPEAKING if state.user_voiced else Phase.IDLE


def enter(m: Moment) -> None:
    """Note a change of phase; keep the silence timers running exactly in ``IDLE`` and the watchdog while an answer
    is owed. What is said to pass the time while the model is silent does not put off when its answer is given up."""
    before, now = m.state.phase, phase_of(m.state)
    if before is now or m.state.connected_ms is None:
        return
    m.set(phase=now)
    m.emit(Note(type="turn.state", data={"from": before.value, "to": now.value}))
    if before is Phase.IDLE:
        m.disarm(timers.SILENCE)
        m.disarm(timers.IDLE)
        hooks.stop_waiting(m)
    if now not in _OWED:
        m.disarm(timers.HANG)
        if not answering.is_silent(m.state):
            m.disarm(timers.FALLBACK)
    if now is Phase.IDLE:
        wait(m)
    if now in _OWED and before not in _OWED and timers.FALLBACK not in m.state.timers:
        m.arm(timers.HANG, m.now + m.plan.hang_ms)


def wait(m: Moment) -> None:
    """Nobody speaks and nobody has to: from now on it is silence."""
    idle = m.plan.idle
    m.arm(timers.SILENCE, m.now + m.plan.silence_ms)
    if idle.texts and m.state.idle_said < idle.max_count:
        m.arm(timers.IDLE, m.now + idle.after_ms)
    hooks.wait(m)

"""What the machine's timers mean when they fire. A stale generation means nothing."""

from __future__ import annotations

from collections.abc import Callable

from domain.call.events import Warned
from media.machine import (
    answering,
    consent,
    ending,
    endpointing,
    history,
    hooks,
    interruption,
    keypad,
    speaking,
    tool_delays,
    turns,
    voicemail,
)
from media.machine.hook_plan import MODEL_SLOW
from media.machine.inputs import TimerFired
from media.machine.moment import Moment

MAX_DURATION, SILENCE, IDLE, HANG, FALLBACK = "max-duration", "silence", "idle", "hang", "fallback"


def on_timer(m: Moment, fired: TimerFired) -> None:
    """Dispatch by name; a timer that was re-armed or disarmed since is ignored."""
    if m.state.timers.get(fired.timer) != fired.generation:
        return
    m.set(timers={name: value for name, value in m.state.timers.items() if name != fired.timer})
    if fired.timer.startswith(tool_delays.DELAY_TIMER):
        tool_delays.on_delay(m, fired.timer.removeprefix(tool_delays.DELAY_TIMER))
        return
    if hooks.on_timer(m, fired.timer):
        return
    handler = _HANDLERS.get(fired.timer)
    if handler is not None:
        handler(m)


def _max_duration(m: Moment) -> None:
    ending.cut(m, "exceeded-max-duration")


def _silence(m: Moment) -> None:
    ending.begin(m, "silence-timed-out", m.plan.idle.silence_text)


def _idle(m: Moment) -> None:
    m.set(idle_said=m.state.idle_said + 1)
    speaking.say(m, m.pick(m.plan.idle.texts), "idle-message", cacheable=True)


def _hang(m: Moment) -> None:
    """A caller who is owed an answer has waited too long."""
    m.notify("hang")
    m.record(Warned(code="hang", detail=f"No answer for {m.plan.hang_ms:.0f} ms.", at_ms=m.now))
    if answering.is_silent(m.state):
        hooks.fire(m, MODEL_SLOW)
    m.arm(FALLBACK, m.now + m.plan.fallback_ms - m.plan.hang_ms)


def _fallback(m: Moment) -> None:
    """Still nothing: give the answer up and say something in its place."""
    if m.state.speaking is not None and not answering.is_silent(m.state):
        return  # It came while something else was being said.
    m.record(Warned(code="answer-abandoned", detail=f"No answer for {m.plan.fallback_ms:.0f} ms.", at_ms=m.now))
    stuck = [utterance for utterance in m.state.utterances if not utterance.opened]
    answering.abort(m)
    m.set(answer_owed=False, ask_again=False)
    for utterance in stuck:
        speaking.drop(m, utterance)
    history.commit_user(m)
    if not any(utterance.source == "fallback" for utterance in stuck):
        speaking.say(m, m.plan.fallback_text, "fallback", cacheable=True)


def _nothing(m: Moment) -> None:
    """The timer only occasioned a step: what waited for its time is looked at after every input."""


_HANDLERS: dict[str, Callable[[Moment], None]] = {
    endpointing.TIMER: turns.on_pause,
    interruption.TIMER: interruption.voice_went_on,
    interruption.BACKOFF: _nothing,
    "gate": _nothing,
    keypad.TIMER: keypad.submit,
    consent.TIMER: consent.on_timer,
    voicemail.CHECK_TIMER: voicemail.on_check,
    voicemail.BEEP_TIMER: voicemail.on_beep_overdue,
    MAX_DURATION: _max_duration,
    SILENCE: _silence,
    IDLE: _idle,
    HANG: _hang,
    FALLBACK: _fallback,
    ending.TIMER: ending.finish,
}

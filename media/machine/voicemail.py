"""Has a machine answered? Looked at now and then from the words of its greeting, at once when its beep is heard.

Times and fields are those of Vapi's public ``voicemailDetection``. What a greeting sounds like is our own list; a
carrier that knows better says so with ``MachineAnswered``. Once detected: without ``voicemailMessage`` hang up; with it
wait for the beep, but no longer than ``beepMaxAwaitSeconds`` of the call, speak, hang up. A person who talks into the
message gets the conversation back.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from domain.call.events import VoicemailDetected
from media.machine import answering, ending, speaking, variables
from media.machine.inputs import BeepHeard, MachineAnswered
from media.machine.moment import Moment

CHECK_TIMER: Final = "voicemail-check"
BEEP_TIMER: Final = "voicemail-beep"
SOURCE: Final = "voicemail-message"
REASON: Final = "voicemail"
By = Literal["transcript", "audio", "model", "carrier"]
_GREETING = re.compile(
    r"after the (?:tone|beep)|at the (?:tone|beep)|(?:leave|record) (?:me |us )?(?:a|your) (?:short |brief |voice )?"
    r"message|voice ?mail|answering machine|(?:is |are )(?:currently )?(?:not available|unavailable) (?:right now|to)|"
    r"(?:can ?not|can't|unable to) (?:take|answer) your call|(?:mail ?box|inbox) is full|automated voice messag|"
    r"you have reached the (?:voice|mail)|get back to you as soon as|please hang up or press|"
    r"nach dem (?:signal|piep)ton|hinterlassen sie|après le (?:bip|signal)|laissez (?:un|votre) message|"
    r"después (?:de la señal|del tono)|deje su mensaje|dopo il segnale|na de piep|após o sinal",
    re.IGNORECASE,
)


def sounds_like_greeting(text: str) -> bool:
    """Whether a text holds what greetings of machines say and people on the phone do not."""
    return _GREETING.search(text) is not None


def on_connected(m: Moment) -> None:
    """The call was answered: begin to listen for a machine."""
    if m.plan.voicemail.wanted:
        m.set(voicemail="listening", voicemail_checks=0)
        _arm_check(m)


def on_check(m: Moment) -> None:
    """It is time to look at what was said on the other side."""
    if m.state.voicemail != "listening" or m.state.end_reason is not None:
        return
    m.set(voicemail_checks=m.state.voicemail_checks + 1)
    if sounds_like_greeting(_said(m)):
        _detected(m, "transcript", None)
    elif m.state.voicemail_checks >= len(m.plan.voicemail.check_ms):
        m.set(voicemail="off")
    else:
        _arm_check(m)


def on_beep(m: Moment, heard: BeepHeard) -> None:
    """A tone: what the message waits for, or what gives a machine away."""
    if m.state.end_reason is not None:
        return
    if m.state.voicemail == "waiting":
        _leave_message(m)
    elif m.state.voicemail == "listening" and m.plan.voicemail.beeps:
        _detected(m, "audio", heard.at_ms)


def on_machine(m: Moment, answered: MachineAnswered) -> None:
    """The carrier says that a machine answered, and maybe that it has beeped."""
    if m.state.end_reason is None and m.state.voicemail in ("listening", "off"):
        _detected(m, "carrier", m.now if answered.beeped else None)


def on_beep_overdue(m: Moment) -> None:
    """No beep within the time: speak all the same."""
    if m.state.voicemail == "waiting" and m.state.end_reason is None:
        _leave_message(m)


def _arm_check(m: Moment) -> None:
    connected = m.state.connected_ms
    assert connected is not None, "checks begin with the connection"
    m.arm(CHECK_TIMER, connected + m.plan.voicemail.check_ms[m.state.voicemail_checks])


def _said(m: Moment) -> str:
    texts = [entry.text for entry in m.state.history if entry.role == "user"]
    texts += [turn.text for turn in m.state.asides]
    if m.state.user is not None:
        texts.append(m.state.user.text)
    return " ".join(texts)


def _detected(m: Moment, by: By, beep_ms: float | None) -> None:
    m.record(VoicemailDetected(by=by, at_ms=m.now, beep_ms=beep_ms))
    m.disarm(CHECK_TIMER)
    message = variables.rendered(m, m.plan.voicemail_message).strip()
    if not message:
        m.set(voicemail="off")
        ending.cut(m, REASON)
        return
    m.set(voicemail="waiting", answer_owed=False, ask_again=False)
    answering.abort(m)
    for utterance in m.state.utterances:
        if not utterance.opened:
            speaking.drop(m, utterance)
        elif not utterance.stopping:
            speaking.stop(m, utterance)
    if beep_ms is not None:
        _leave_message(m)
        return
    m.arm(BEEP_TIMER, max(m.now, (m.state.connected_ms or 0.0) + m.plan.voicemail.beep_wait_ms))


def _leave_message(m: Moment) -> None:
    m.disarm(BEEP_TIMER)
    m.set(voicemail="leaving", answer_owed=False)
    speaking.say(m, variables.rendered(m, m.plan.voicemail_message), SOURCE, end_reason=REASON)

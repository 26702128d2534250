"""How an assistant takes the word when its part of the conversation begins."""

from __future__ import annotations

from media.machine import speaking
from media.machine.moment import Moment

SPEAKS_FIRST = "assistant-speaks-first"
WAITS = "assistant-waits-for-user"
GENERATED = "assistant-speaks-first-with-model-generated-message"


def prepare(m: Moment) -> None:
    """Before the caller is connected: a first message goes to the voice already, one that waits is remembered."""
    if m.plan.first_message_mode == SPEAKS_FIRST:
        say_first_message(m)
    elif m.plan.first_message_mode == WAITS:
        m.set(first_message_owed=True)


def begin(m: Moment, *, owes_answer: bool) -> None:
    """The caller listens. ``owes_answer``: somebody has to say something, so without a first message the model does."""
    mode = m.plan.first_message_mode
    if mode == WAITS:
        m.set(first_message_owed=True)
    elif mode == SPEAKS_FIRST and m.plan.first_message:
        m.set(answer_owed=False, first_message_owed=False)
        say_first_message(m)
    elif owes_answer or mode == GENERATED:
        m.set(answer_owed=True, first_message_owed=False)


def say_first_message(m: Moment, *, gate_ms: float = 0.0) -> None:
    """Queue the first message, to be heard from ``gate_ms`` on."""
    plan = m.plan
    interruptible = plan.first_message_interruptible
    if plan.first_message_sound:
        sound, label = plan.first_message_sound, plan.first_message
        speaking.play(m, sound, label, "first-message", interruptible=interruptible, gate_ms=gate_ms)
        return
    speaking.say(m, plan.first_message, "first-message", interruptible=interruptible, cacheable=True, gate_ms=gate_ms)

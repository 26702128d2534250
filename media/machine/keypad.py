"""Keys that the caller presses (Vapi's public ``keypadInputPlan``): collected up to a delimiter or a pause.

The message is what Vapi's prompt guides know: ``User's Keypad Entry: 1234``.
"""

from __future__ import annotations

from typing import Final

from domain.call.events import TurnDecided
from media.machine import answering, history, interruption, speaking
from media.machine.inputs import KeyPressed
from media.machine.moment import Moment
from media.machine.outputs import Note
from media.machine.state import Anchors

TIMER: Final = "keypad"
ENDPOINT_TIMER: Final = "endpoint"
RULE: Final = "keypad"
KEYS: Final = frozenset("0123456789*#ABCDabcdw")
MOST_KEYS: Final = 64
"""Longer entries are taken in pieces."""


def on_key(m: Moment, pressed: KeyPressed) -> None:
    """One key. Where the assistant takes none, it is noted and nothing else."""
    plan = m.plan.keypad
    if m.state.end_reason is not None or pressed.key not in KEYS:
        return
    if not plan.enabled:
        m.emit(Note(type="key.ignored"))
        return
    if pressed.key in plan.delimiters:
        submit(m)
        return
    m.set(keys=m.state.keys + pressed.key)
    if len(m.state.keys) >= MOST_KEYS:
        submit(m)
    elif plan.timeout_ms > 0:
        m.arm(TIMER, m.now + plan.timeout_ms)


def submit(m: Moment) -> None:
    """What was pressed is a turn of the caller's: it stops what can be stopped, and is answered."""
    keys = m.state.keys
    m.disarm(TIMER)
    if not keys:
        return
    m.set(keys="")
    playing = m.state.speaking
    if playing is not None and playing.interruptible:
        interruption.interrupt(m, "control")
    m.disarm(ENDPOINT_TIMER)
    answering.abort(m)
    for utterance in m.state.utterances:
        if utterance.source == "model" and not utterance.opened:
            speaking.drop(m, utterance)
    history.commit_user(m)
    m.set(turn=m.state.turn + 1)
    m.record(TurnDecided(turn=m.state.turn, rule=RULE, wait_ms=m.plan.keypad.timeout_ms, at_ms=m.now))
    history.commit_added(m, "user", f"User's Keypad Entry: {keys}")
    m.set(
        answer_owed=True,
        answer_prompt=(),
        ask_again=False,
        answer_anchors=Anchors(t2=m.now),
        answer_gate_ms=m.now,
    )

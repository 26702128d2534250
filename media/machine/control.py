"""Live control: what a client or an operator may ask of a running conversation (Vapi's public control messages)."""

from __future__ import annotations

from typing import Any

from domain.call.events import Role, Warned
from media.machine import (
    answering,
    ending,
    handovers,
    history,
    interruption,
    keypad,
    opening,
    speaking,
    tools,
    transfers,
)
from media.machine.destinations import DestinationInvalid
from media.machine.inputs import ControlReceived, KeyPressed
from media.machine.moment import Moment
from media.machine.outputs import Mute
from media.machine.tools import ENDED_AFTER_MESSAGE

CANCELED = "manually-canceled"

_ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_MUTES = {
    "mute-assistant": ("assistant", True),
    "unmute-assistant": ("assistant", False),
    "mute-customer": ("customer", True),
    "unmute-customer": ("customer", False),
}
_UNSUPPORTED = ("send-transport-message",)


def on_control(m: Moment, control: ControlReceived) -> None:
    """Carry out one message. Unknown types are ignored, known ones of a wrong shape leave a warning."""
    message = control.message
    if m.state.end_reason is not None:
        return
    match message.get("type"):
        case "say":
            _say(m, message)
        case "add-message":
            _add_message(m, message)
        case "control":
            _control(m, message)
        case "dtmf":
            _keys(m, message)
        case "handoff":
            _handoff(m, message)
        case "transfer":
            _transfer(m, message)
        case "tool-call-result":
            if not tools.on_client_answer(m, message):
                _invalid(m, "tool-call-result names no call that the client was asked to carry out.")
        case "end-call" | "hangup":
            ending.cut(m, CANCELED)
        case str() as other if other in _UNSUPPORTED:
            m.record(Warned(code="control-unsupported", detail=f"{other} is not supported.", at_ms=m.now))


def _say(m: Moment, message: dict[str, Any]) -> None:
    text = message.get("content") or message.get("message")
    if not isinstance(text, str) or not text.strip():
        _invalid(m, "say needs its text in content.")
        return
    if message.get("interruptAssistantEnabled") is True and m.state.speaking is not None:
        interruption.interrupt(m, "control")
    speaking.say(
        m,
        text,
        "say",
        interruptible=message.get("interruptionsEnabled") is not False,
        end_reason=ENDED_AFTER_MESSAGE if message.get("endCallAfterSpoken") is True else None,
    )


def _add_message(m: Moment, message: dict[str, Any]) -> None:
    inner = message.get("message")
    role = _ROLES.get(str(inner.get("role"))) if isinstance(inner, dict) else None
    text = inner.get("content") if isinstance(inner, dict) else None
    if role is None or not isinstance(text, str) or not text:
        _invalid(m, "add-message needs message.role and message.content.")
        return
    history.commit_added(m, role, text)
    if message.get("triggerResponseEnabled") is False:
        return
    if m.state.request is not None and m.state.request.utterance_id is None:
        answering.abort(m)
    m.set(answer_owed=True)


def _keys(m: Moment, message: dict[str, Any]) -> None:
    """``{"type": "dtmf", "digit": "5"}``; ``digits`` are several."""
    keys = message.get("digits") or message.get("digit")
    if not isinstance(keys, str) or not keys or not set(keys) <= keypad.KEYS:
        _invalid(m, "dtmf needs the keys in digit or digits: 0 to 9, *, #, A to D.")
        return
    for key in keys[: keypad.MOST_KEYS]:
        keypad.on_key(m, KeyPressed(key=key))


def _handoff(m: Moment, message: dict[str, Any]) -> None:
    try:
        handovers.by_control(m, message)
    except DestinationInvalid as error:
        _invalid(m, f"handoff cannot be followed: {error}.")


def _transfer(m: Moment, message: dict[str, Any]) -> None:
    try:
        transfers.by_control(m, message)
    except DestinationInvalid as error:
        _invalid(m, f"transfer cannot be followed: {error}.")


def _control(m: Moment, message: dict[str, Any]) -> None:
    wanted = message.get("control")
    if wanted == "say-first-message":
        opening.say_first_message(m)
        return
    if not isinstance(wanted, str) or wanted not in _MUTES:
        _invalid(m, "control is unknown.")
        return
    who, muted = _MUTES[wanted]
    m.emit(Mute(who=who, muted=muted))


def _invalid(m: Moment, detail: str) -> None:
    m.record(Warned(code="control-invalid", detail=detail, at_ms=m.now))

"""The model's part of a turn: asking it when nothing speaks against it, and sending its words to the voice early."""

from __future__ import annotations

from msgspec.structs import replace

from domain.call.events import Warned
from media.machine import consent, history, opening, speaking, speculation, usage
from media.machine.inputs import ModelFinished, ModelText
from media.machine.moment import Moment
from media.machine.outputs import AbortModel, StartModel
from media.machine.state import Anchors, MachineState, ModelRequest
from media.text import chunking
from media.text.formatting import speakable


def ask_when_possible(m: Moment) -> None:
    """Start the model if an answer is owed and nobody is in the middle of something.

    What has to be over first: an earlier request, the caller's words, running tools, the pause after an
    interruption, and whatever the assistant is saying, except that a word about a running tool may be finished
    while the model works.
    """
    state = m.state
    if not state.answer_owed or state.request is not None or state.tools or state.connected_ms is None:
        return
    if state.handover is not None or state.voicemail in ("waiting", "leaving"):
        return
    if m.armed("backoff") or (state.user is not None and not state.user.decided):
        return
    for utterance in state.utterances:
        if utterance.stopping or (utterance.opened and utterance.source != "tool-message"):
            return
    if consent.pending(m):
        consent.on_turn(m)
        return
    if state.first_message_owed and m.plan.first_message and not state.answer_prompt:
        _first_message_instead(m)
        return
    request_id = state.request_count + 1
    messages = state.answer_prompt or history.messages_for_model(state)
    m.mark("t3", state.turn, m.now)
    request = ModelRequest(
        request_id=request_id,
        turn=state.turn,
        prompt_characters=sum(len(str(message.get("content") or "")) for message in messages),
        anchors=replace(state.answer_anchors, t3=m.now),
    )
    m.set(request=request, request_count=request_id, answer_owed=False, ask_again=False, answer_prompt=())
    m.emit(StartModel(request_id=request_id, turn=state.turn, messages=messages))


def is_silent(state: MachineState) -> bool:
    """Whether the model owes an answer and has neither said a word nor called a tool so far."""
    request = state.request
    return request is not None and not request.ahead_of and not request.text and not request.called_tools


def abort(m: Moment) -> None:
    """Give up the running request. One that has called tools is complete but for its usage and is let be."""
    if speculation.is_ahead(m):
        speculation.give_up(m)
        return
    request = m.state.request
    if request is None or request.called_tools:
        return
    m.emit(AbortModel(request_id=request.request_id))
    usage.meter_model(m, request, None)
    m.set(request=None)


def on_text(m: Moment, token: ModelText) -> None:
    """A token: whole clauses go to the voice at once."""
    if speculation.on_text(m, token):
        return
    request = m.state.request
    if request is None or request.request_id != token.request_id or request.called_tools:
        return
    if not request.text:
        t4 = m.now if request.anchors.t4 is None else request.anchors.t4
        m.mark("t4", request.turn, t4)
        request = replace(request, anchors=replace(request.anchors, t4=t4))
    m.notify("model-output", output=token.text, turnId=turn_id(request))
    buffer, pieces = chunking.feed(m.plan.chunks, request.buffer, token.text)
    request = replace(request, text=request.text + token.text, buffer=buffer)
    for piece in pieces:
        text = request.carry + piece
        if speakable(m.plan.formatting, text):
            request = _speak(m, replace(request, carry=""), text, last=False)
        else:
            request = replace(request, carry=text)
    m.set(request=request)


def on_finished(m: Moment, finished: ModelFinished) -> None:
    """The answer is complete: the rest of it goes to the voice."""
    if speculation.on_finished(m, finished):
        return
    request = m.state.request
    if request is None or request.request_id != finished.request_id:
        return
    usage.meter_model(m, request, finished)
    if not request.called_tools:
        rest = request.carry + chunking.flush(m.plan.chunks, request.buffer)
        if m.utterance(request.utterance_id) is not None or speakable(m.plan.formatting, rest):
            request = _speak(m, request, rest, last=True)
        elif request.utterance_id is None:
            m.record(Warned(code="empty-answer", detail="The model answered without text or tool call.", at_ms=m.now))
            if m.state.user is not None and m.state.user.decided:
                history.commit_user(m)
    m.set(request=None)


def turn_id(request: ModelRequest) -> str:
    """What ties ``model-output`` to the ``user-interrupted`` that cut it."""
    return f"r{request.request_id}"


def _speak(m: Moment, request: ModelRequest, text: str, *, last: bool) -> ModelRequest:
    utterance_id = request.utterance_id
    if utterance_id is None or m.utterance(utterance_id) is None:
        interruptible = m.plan.first_message_interruptible or request.turn > 0 or _caller_is_in_history(m)
        utterance_id = speaking.begin(
            m, "model", turn_id=turn_id(request), interruptible=interruptible, gate_ms=m.state.answer_gate_ms
        )
        speaking.take_anchors(m, utterance_id, request.anchors)
        request = replace(request, utterance_id=utterance_id)
    speaking.send(m, utterance_id, text, last=last)
    return request


def _caller_is_in_history(m: Moment) -> bool:
    """Whether what is said now answers somebody: a message added from outside begins no turn of its own."""
    return any(entry.role == "user" and not entry.from_prompt for entry in m.state.history)


def _first_message_instead(m: Moment) -> None:
    """An assistant that waits for the user gives its first message as its first answer."""
    m.set(answer_owed=False, ask_again=False, first_message_owed=False)
    anchors: Anchors = m.state.answer_anchors
    utterance_id = m.state.utterance_count + 1
    opening.say_first_message(m, gate_ms=m.state.answer_gate_ms)
    if m.utterance(utterance_id) is not None:
        speaking.take_anchors(m, utterance_id, anchors)

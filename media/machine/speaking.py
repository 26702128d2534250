"""Utterances: from text to the voice, through the gate that ``waitSeconds`` keeps, to what was heard of them."""

from __future__ import annotations

from typing import Any

from domain.call.events import AssistantInterrupted, TurnMeasured
from media.machine import history
from media.machine.inputs import PlayoutFinished, PlayoutStarted, VoiceFinished, VoiceStarted
from media.machine.moment import Moment
from media.machine.outputs import StartPlayout, StopPlayout, Synthesize
from media.machine.state import Anchors, Utterance
from media.text import chunking
from media.text.formatting import speakable

GATE_HOLD_MS = 3_000.0
"""How long a ready answer is held because the caller makes sounds without words before it is played all the same."""

_FORCED = {
    "first-message",
    "say",
    "tool-message",
    "end-message",
    "idle-message",
    "fallback",
    "hook",
    "voicemail-message",
    "consent-message",
}


def say(
    m: Moment,
    text: str,
    source: str,
    *,
    interruptible: bool = True,
    cacheable: bool = False,
    gate_ms: float = 0.0,
    end_reason: str | None = None,
    releases: tuple[str, ...] = (),
    voice: str = "",
) -> None:
    """Queue a given text to be spoken behind what is queued already, by ``voice`` instead of the assistant's."""
    if not speakable(m.plan.formatting, text):
        return
    utterance_id = begin(m, source, interruptible=interruptible, gate_ms=gate_ms)
    m.change_utterance(utterance_id, end_reason=end_reason, releases=releases, voice=voice)
    buffer, pieces = chunking.feed(m.plan.chunks, chunking.ChunkBuffer(), text)
    rest = chunking.flush(m.plan.chunks, buffer)
    texts = [*pieces, rest] if rest else list(pieces)
    for index, piece in enumerate(texts):
        send(m, utterance_id, piece, last=index == len(texts) - 1, cacheable=cacheable)


def play(m: Moment, sound: str, label: str, source: str, *, interruptible: bool = True, gate_ms: float = 0.0) -> None:
    """Queue a recorded sound; ``label`` stands for it where words would."""
    utterance_id = begin(m, source, interruptible=interruptible, gate_ms=gate_ms)
    m.emit(Synthesize(utterance_id=utterance_id, chunk=0, text=label, spoken=label, last=True, sound=sound))
    m.mark("t5", m.state.turn, m.now)
    m.change_utterance(utterance_id, chunks=(label,), closed=True, t5=m.now)


def begin(m: Moment, source: str, *, turn_id: str = "", interruptible: bool = True, gate_ms: float = 0.0) -> int:
    """A new utterance at the end of the queue; the first of an answer takes the turn's measuring points with it."""
    utterance_id = m.state.utterance_count + 1
    utterance = Utterance(
        utterance_id=utterance_id,
        source=source,
        turn=m.state.turn,
        turn_id=turn_id or f"u{utterance_id}",
        interruptible=interruptible,
        gate_ms=gate_ms,
    )
    m.set(utterances=(*m.state.utterances, utterance), utterance_count=utterance_id, unheard="")
    return utterance_id


def take_anchors(m: Moment, utterance_id: int, anchors: Anchors) -> None:
    """Give an utterance its measuring points; the next utterance of the turn starts without those of the user."""
    m.change_utterance(utterance_id, anchors=anchors)
    m.set(answer_anchors=Anchors())


def send(m: Moment, utterance_id: int, text: str, *, last: bool, cacheable: bool = False) -> None:
    """One piece to the voice."""
    utterance = m.utterance(utterance_id)
    assert utterance is not None, "text is only sent for utterances in the queue"
    spoken = speakable(m.plan.formatting, text)
    m.emit(
        Synthesize(
            utterance_id=utterance_id,
            chunk=len(utterance.chunks),
            text=text,
            spoken=spoken,
            last=last,
            cacheable=cacheable,
            voice=utterance.voice,
        )
    )
    if spoken:
        m.notify("voice-input", input=spoken)
    if utterance.t5 is None:
        m.mark("t5", utterance.turn, m.now)
    t5 = m.now if utterance.t5 is None else utterance.t5
    m.change_utterance(utterance_id, chunks=(*utterance.chunks, text), closed=last, t5=t5)


def close(m: Moment, utterance_id: int) -> None:
    """No more text will come; what was sent is spoken to its end."""
    utterance = m.utterance(utterance_id)
    if utterance is not None and not utterance.closed:
        send(m, utterance_id, "", last=True)


def drop(m: Moment, utterance: Utterance) -> None:
    """Forget an utterance that nobody has heard; tool calls that waited for it go out."""
    m.emit(StopPlayout(utterance_id=utterance.utterance_id))
    left = tuple(other for other in m.state.utterances if other.utterance_id != utterance.utterance_id)
    m.set(utterances=left)


def stop(m: Moment, utterance: Utterance) -> None:
    """Stop the utterance that plays; its message is committed when the shell has said how much was heard."""
    m.emit(StopPlayout(utterance_id=utterance.utterance_id))
    m.change_utterance(utterance.utterance_id, stopping=True)
    if utterance.started_ms is not None:
        speech_update(m, "assistant", "stopped")


def speech_update(m: Moment, role: str, status: str) -> None:
    """``speech-update``; ``turn`` goes up whenever the other side begins."""
    if status == "started" and m.state.speaker != role:
        m.set(speaker=role, speech_turn=m.state.speech_turn + 1)
    m.notify("speech-update", status=status, role=role, turn=max(0, m.state.speech_turn))


def on_voice_started(m: Moment, heard: VoiceStarted) -> None:
    """Audio of a chunk is there: the utterance may be played."""
    utterance = m.utterance(heard.utterance_id)
    if utterance is None or utterance.ready:
        return
    m.mark("t6", utterance.turn, m.now)
    m.change_utterance(heard.utterance_id, ready=True, t6=m.now)


def on_voice_finished(m: Moment, heard: VoiceFinished) -> None:
    """A chunk is complete. One without any audio opens the gate too, or its utterance would wait for ever."""
    m.set(voice_characters=m.state.voice_characters + heard.characters)
    utterance = m.utterance(heard.utterance_id)
    if utterance is not None and not utterance.ready and utterance.closed:
        m.change_utterance(heard.utterance_id, ready=True)


def open_gate(m: Moment) -> None:
    """Start the first utterance of the queue if its audio is there, its time has come and nobody speaks."""
    state = m.state
    if not state.utterances or state.connected_ms is None:
        return
    head = state.utterances[0]
    if head.opened or not head.ready or m.armed("backoff"):
        return
    opens_ms = head.gate_ms
    if state.user_voiced and head.interruptible and state.end_reason is None:
        words_ms = state.user.t1 if state.user is not None and state.user.t1 is not None else 0.0
        opens_ms = max(opens_ms, max(state.voiced_since_ms, words_ms) + GATE_HOLD_MS)
    if m.now < opens_ms:
        if not m.armed("gate"):
            m.arm("gate", opens_ms)
        return
    m.disarm("gate")
    if state.user is not None and state.user.decided:
        history.commit_user(m)
    m.emit(StartPlayout(utterance_id=head.utterance_id))
    m.change_utterance(head.utterance_id, opened=True)


def on_playout_started(m: Moment, heard: PlayoutStarted) -> None:
    """The first frame was sent: the turn's measuring points are complete."""
    utterance = m.utterance(heard.utterance_id)
    if utterance is None or not utterance.opened or utterance.started_ms is not None:
        return
    m.mark("t7", utterance.turn, m.now)
    utterance = m.change_utterance(heard.utterance_id, started_ms=m.now)
    anchors = utterance.anchors
    t0, t1 = anchors.t0, anchors.t1
    if t0 is None and anchors.t2 is not None:
        t0 = m.state.last_voiced_ms
    if t0 is not None and t1 is not None:
        t1 = max(t0, t1)
    m.record(
        TurnMeasured(
            turn=utterance.turn,
            source=utterance.source,
            t0_ms=t0,
            t1_ms=t1,
            t2_ms=anchors.t2,
            t3_ms=anchors.t3,
            t4_ms=anchors.t4,
            t5_ms=utterance.t5,
            t6_ms=utterance.t6,
            t7_ms=m.now,
        )
    )
    if utterance.stopping:
        return
    speech_update(m, "assistant", "started")
    source = "force-say" if utterance.source in _FORCED else "model"
    text = "".join(utterance.chunks).strip()
    m.notify("assistant.speechStarted", text=text, turn=max(0, m.state.speech_turn), source=source)


def on_playout_finished(m: Moment, heard: PlayoutFinished) -> Utterance | None:
    """An utterance is over. Commits what was heard of it and returns it (``None`` for one that is not known)."""
    utterance = m.utterance(heard.utterance_id)
    if utterance is None or not utterance.opened:
        return None
    m.set(
        utterances=tuple(other for other in m.state.utterances if other.utterance_id != heard.utterance_id),
        last_said_ms=m.now,
    )
    written = "".join(utterance.chunks)
    generated = utterance.generated or written
    text = heard_text(utterance.chunks, heard.heard_chars) if heard.stopped else written
    if utterance.started_ms is None:
        return utterance
    if not utterance.stopping:
        speech_update(m, "assistant", "stopped")
    if utterance.cut_by is not None:
        m.record(
            AssistantInterrupted(
                turn=utterance.turn,
                by=utterance.cut_by,
                heard_ms=heard.heard_ms,
                at_ms=m.now,
                turn_id=utterance.turn_id,
            )
        )
    if text.strip():
        transcript(m, "assistant", "final", text.strip())
    history.commit_assistant(
        m,
        heard=text,
        generated=generated,
        source=utterance.source,
        started_ms=utterance.started_ms,
        turn=utterance.turn,
        interrupted=heard.stopped,
    )
    history.commit_asides(m)
    if utterance.cut_by == "voice" and generated.startswith(text):
        m.set(unheard=generated[len(text) :])
    return utterance


def heard_text(chunks: tuple[str, ...], heard_chars: tuple[int, ...]) -> str:
    """The part of the chunks that was heard: a prefix of their concatenation."""
    heard = ""
    for chunk, count in zip(chunks, heard_chars, strict=False):
        heard += chunk[: max(0, count)]
        if count < len(chunk):
            break
    return heard


def transcript(m: Moment, role: str, kind: str, text: str, **more: Any) -> None:
    """A client's ``transcript``: ``partial`` or ``final`` words of either side, and ``more`` fields of it."""
    m.notify("transcript", role=role, transcriptType=kind, transcript=text, **more)

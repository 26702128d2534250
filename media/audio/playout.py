"""Paced playout: queued speech goes out in 20 ms frames at real time plus a small lead, and what was heard is known.

The sink is the clock. Frame ``n`` of an utterance sounds at ``started + n * 20 ms``; it is sent up to ``lead_ms``
earlier. What was heard at an instant is therefore elapsed time since the start, never more than was sent. When the
loop stalls or audio comes late, the listener heard a gap: the utterance's clock moves on by it, and nothing is sent
in a burst to catch up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from media.audio.framing import BYTES_PER_MS, FRAME_BYTES, FRAME_MS, SILENCE, duration_ms
from media.audio.heard import heard_characters


class AudioSink(Protocol):
    """Where frames go: the transport, the recording, whoever listens in."""

    def send_frame(self, frame: bytes, sounds_at_ms: float) -> None:
        """One 20 ms frame, a little ahead of the instant at which it sounds for the caller."""

    def end_of_speech(self) -> None:
        """Nothing more of this utterance comes: give out what a converter still holds."""

    def clear(self, now_ms: float) -> None:
        """The speech was cut: nothing that was sent ahead sounds any more."""


@dataclass(slots=True)
class _Chunk:
    shown: str
    spoken: str
    start_byte: int | None = None
    """Where in the utterance's audio the chunk begins; ``None`` while none of it came."""
    size: int = 0
    word_starts: list[tuple[int, float]] = field(default_factory=list)
    complete: bool = False


@dataclass(slots=True)
class _Utterance:
    id: int
    chunks: dict[int, _Chunk] = field(default_factory=dict)
    audio: bytearray = field(default_factory=bytearray)
    """Audio not sent yet."""
    received: int = 0
    sent: int = 0
    """Bytes of real audio sent; the silence that fills up the last frame is not counted."""
    closed: bool = False
    released: bool = False
    started_ms: float | None = None

    def finished_synthesis(self) -> bool:
        return self.closed and all(chunk.complete for chunk in self.chunks.values())


@dataclass(frozen=True, slots=True)
class Heard:
    """How an utterance ended: ``heard_chars[i]`` counts characters of chunk ``i``'s shown text."""

    utterance_id: int
    heard_ms: float
    heard_chars: tuple[int, ...]
    stopped: bool


class Playout:
    """The utterances of one call in the order they were released, one sounding at a time.

    ``on_started`` and ``on_finished`` are called from ``pump``, ``release`` and ``stop``. All instants are ms of the
    call's clock.
    """

    def __init__(
        self,
        sink: AudioSink,
        *,
        lead_ms: int,
        on_started: Callable[[int], None],
        on_finished: Callable[[Heard], None],
    ) -> None:
        self._sink = sink
        self._lead_ms = lead_ms
        self._on_started = on_started
        self._on_finished = on_finished
        self._utterances: dict[int, _Utterance] = {}
        self._released: list[_Utterance] = []
        self.muted = False

    def expect(self, utterance_id: int, chunk: int, shown: str, spoken: str, *, last: bool) -> None:
        """A chunk of this text will come; ``last`` closes the utterance."""
        utterance = self._utterances.setdefault(utterance_id, _Utterance(utterance_id))
        utterance.chunks[chunk] = _Chunk(shown, spoken)
        utterance.closed = utterance.closed or last

    def word(self, utterance_id: int, chunk: int, end_char: int, start_ms: float) -> None:
        """The word of the spoken text that ends at ``end_char`` begins ``start_ms`` into the chunk's audio."""
        utterance = self._utterances.get(utterance_id)
        if utterance is not None:
            utterance.chunks[chunk].word_starts.append((end_char, start_ms))

    def queue(self, utterance_id: int, chunk: int, pcm: bytes) -> None:
        """More audio of a chunk; chunks come in order."""
        utterance = self._utterances.get(utterance_id)
        if utterance is None:
            return
        entry = utterance.chunks[chunk]
        if entry.start_byte is None:
            entry.start_byte = utterance.received
        entry.size += len(pcm)
        utterance.received += len(pcm)
        utterance.audio += pcm

    def complete(self, utterance_id: int, chunk: int) -> float:
        """All audio of the chunk is queued; returns its length in ms."""
        utterance = self._utterances.get(utterance_id)
        if utterance is None:
            return 0.0
        entry = utterance.chunks[chunk]
        entry.complete = True
        return duration_ms(entry.size)

    def discard(self, utterance_id: int, chunk: int) -> bool:
        """Take the chunk's audio back so that it can be spoken anew; ``False`` when some of it was already sent."""
        utterance = self._utterances.get(utterance_id)
        if utterance is None:
            return False
        entry = utterance.chunks[chunk]
        if entry.start_byte is not None and utterance.sent > entry.start_byte:
            return False
        if entry.size:
            del utterance.audio[len(utterance.audio) - entry.size :]
            utterance.received -= entry.size
        entry.start_byte, entry.size = None, 0
        entry.word_starts.clear()
        return True

    def waiting_ms(self, utterance_id: int) -> float:
        """Audio of the utterance that was not sent yet."""
        utterance = self._utterances.get(utterance_id)
        return duration_ms(len(utterance.audio)) if utterance is not None else 0.0

    def release(self, utterance_id: int, now_ms: float) -> None:
        """Open the gate: the utterance sounds as its audio comes, after any that sounds now."""
        utterance = self._utterances.setdefault(utterance_id, _Utterance(utterance_id))
        if not utterance.released:
            utterance.released = True
            self._released.append(utterance)
        self.pump(now_ms)

    def stop(self, utterance_id: int, now_ms: float) -> None:
        """Silence at once: drop what is queued; ``on_finished`` tells what was heard if it had been released."""
        utterance = self._utterances.pop(utterance_id, None)
        if utterance is None:
            return
        if utterance in self._released:
            self._released.remove(utterance)
        if utterance.started_ms is not None:
            self._sink.clear(now_ms)
        if utterance.released:
            self._on_finished(self._heard(utterance, now_ms, stopped=True))
        self.pump(now_ms)

    @property
    def idle(self) -> bool:
        """Nothing to pace: the clock need not tick for this call."""
        return not self._released

    def pump(self, now_ms: float) -> None:
        """Send every frame that is due and end what has sounded. Called when audio comes and by the 20 ms clock."""
        while self._released:
            utterance = self._released[0]
            self._send_due(utterance, now_ms)
            if not self._released or self._released[0] is not utterance:
                continue
            if utterance.audio or not utterance.finished_synthesis():
                return
            if utterance.started_ms is not None and now_ms < utterance.started_ms + duration_ms(utterance.sent):
                return
            self._released.pop(0)
            del self._utterances[utterance.id]
            self._on_finished(self._heard(utterance, now_ms, stopped=False))

    def _send_due(self, utterance: _Utterance, now_ms: float) -> None:
        closing = utterance.finished_synthesis()
        while len(utterance.audio) >= FRAME_BYTES or (closing and utterance.audio):
            if utterance.started_ms is None:
                utterance.started_ms = now_ms
                self._on_started(utterance.id)
                if not self._released or self._released[0] is not utterance:
                    return
            sounds_at = utterance.started_ms + utterance.sent / BYTES_PER_MS
            if sounds_at < now_ms:
                utterance.started_ms += now_ms - sounds_at
                sounds_at = now_ms
            elif sounds_at > now_ms + self._lead_ms - FRAME_MS and sounds_at > now_ms:
                return
            frame = bytes(utterance.audio[:FRAME_BYTES])
            del utterance.audio[:FRAME_BYTES]
            utterance.sent += len(frame)
            if len(frame) < FRAME_BYTES:
                frame += bytes(FRAME_BYTES - len(frame))
            if self.muted:
                frame = SILENCE
            self._sink.send_frame(frame, sounds_at)
            if closing and not utterance.audio:
                self._sink.end_of_speech()

    def _heard(self, utterance: _Utterance, now_ms: float, *, stopped: bool) -> Heard:
        sent_ms = duration_ms(utterance.sent)
        elapsed_ms = now_ms - utterance.started_ms if utterance.started_ms is not None else 0.0
        heard_ms = sent_ms if not stopped else max(0.0, min(sent_ms, elapsed_ms))
        characters = tuple(
            _heard_of(entry, heard_ms, whole=not stopped) for _, entry in sorted(utterance.chunks.items())
        )
        return Heard(utterance.id, heard_ms, characters, stopped)


def _heard_of(chunk: _Chunk, heard_ms: float, *, whole: bool) -> int:
    if whole:
        return len(chunk.shown)
    if chunk.start_byte is None:
        return 0
    return heard_characters(
        shown=chunk.shown,
        spoken=chunk.spoken,
        heard_ms=heard_ms - duration_ms(chunk.start_byte),
        audio_ms=duration_ms(chunk.size),
        complete=chunk.complete,
        word_starts=chunk.word_starts,
    )

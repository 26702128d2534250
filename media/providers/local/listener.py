"""One caller's ear inside the recogniser worker: voice gate, live decoding, early and asked-for finals."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import pocketsphinx

from media.providers.local.decoder import (
    UNDERSTOOD_CONFIDENCE,
    Hypothesis,
    NoiseFloor,
    confidence,
    finish,
    partial_text,
)
from media.providers.local.messages import FinalText, PartialText, RecognisedWord

RATE_HZ = 16_000
FRAME_MS = 20
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2

PRE_ROLL_FRAMES = 15
"""300 ms before speech was noticed: the recogniser needs a lead-in to settle, and soft beginnings are in there."""

OPENING_FRAMES = 2
EARLY_FINAL_MS = 160
"""Silence after which the final passes run already; if the caller goes on, the utterance is decoded again. Who pauses
once within an utterance may pause again, and the final passes then wait until they are asked for. More silence than
this is not decoded unless the caller goes on after it: what was heard must not hang on when somebody asked for it."""

EARLY_FINAL_MAX_MS = 8_000
UNASKED_FINAL_MS = 2_000
"""Silence after which a final is given although nobody asked for one."""

MAX_UTTERANCE_MS = 30_000
VAD_MODE = 2


@dataclass(frozen=True, slots=True)
class _Result:
    hypothesis: Hypothesis
    confidence: float


class Listener:
    """Feeds on 20 ms frames and speaks through ``send``. Times it reports count from the first frame it was fed."""

    def __init__(
        self,
        stream: int,
        decoder: pocketsphinx.Decoder,
        noise: NoiseFloor,
        send: Callable[[PartialText | FinalText], None],
    ) -> None:
        self._stream = stream
        self._decoder = decoder
        self._noise = noise
        self._send = send
        self._vad = pocketsphinx.Vad(VAD_MODE, RATE_HZ, FRAME_MS / 1000)
        self._rest = b""
        self._heard_ms = 0
        self._pre_roll: deque[bytes] = deque(maxlen=PRE_ROLL_FRAMES)
        self._voiced_run = 0
        self._utterance: bytearray | None = None
        self._undecoded = bytearray()
        self._pause = bytearray()
        self._started_ms = 0.0
        self._silent_ms = 0
        self._early: _Result | None = None
        self._pauses = False
        self._partial = ""

    def feed(self, pcm: bytes) -> None:
        data = self._rest + pcm
        whole = len(data) - len(data) % FRAME_BYTES
        for at in range(0, whole, FRAME_BYTES):
            self._frame(data[at : at + FRAME_BYTES])
        self._rest = data[whole:]
        self._decode()

    def finalize(self) -> None:
        """Answer with the final of what was said since the last one; empty when nothing was."""
        if self._utterance is None:
            self._send(FinalText(self._stream, "", 0.0, (), answers=True))
        else:
            self._give(answers=True)

    def _frame(self, frame: bytes) -> None:
        self._heard_ms += FRAME_MS
        voiced = bool(self._vad.is_speech(frame))
        if self._utterance is None:
            self._pre_roll.append(frame)
            self._voiced_run = self._voiced_run + 1 if voiced else 0
            if self._voiced_run >= OPENING_FRAMES:
                self._begin()
            return
        self._utterance += frame
        if voiced:
            self._silent_ms = 0
            if self._early is not None:
                self._resume()
            else:
                self._undecoded += self._pause + frame
                self._pause.clear()
            return
        self._silent_ms += FRAME_MS
        if self._silent_ms > EARLY_FINAL_MS:
            self._pause += frame
        elif self._early is None:
            self._undecoded += frame
        length_ms = len(self._utterance) // (FRAME_BYTES // FRAME_MS)
        if self._silent_ms >= UNASKED_FINAL_MS or length_ms >= MAX_UTTERANCE_MS:
            self._give(answers=False)
        elif self._silent_ms == EARLY_FINAL_MS and not self._pauses and length_ms <= EARLY_FINAL_MAX_MS:
            self._early = self._result()

    def _begin(self) -> None:
        frames = b"".join(self._pre_roll)
        audio = bytes(PRE_ROLL_FRAMES * FRAME_BYTES - len(frames)) + frames
        self._started_ms = self._heard_ms - len(audio) / (FRAME_BYTES / FRAME_MS)
        self._pre_roll.clear()
        self._utterance = bytearray(audio)
        self._undecoded = bytearray(audio)
        self._pause.clear()
        self._silent_ms = 0
        self._pauses = False
        self._partial = ""
        self._start_decoding()

    def _resume(self) -> None:
        assert self._utterance is not None
        self._early = None
        self._pauses = True
        self._undecoded = bytearray(self._utterance)
        self._pause.clear()
        self._start_decoding()

    def _start_decoding(self, *, once_more: bool = False) -> None:
        self._noise.restart(other=once_more)
        self._decoder.start_utt()

    def _decode(self) -> None:
        if self._utterance is None or self._early is not None or not self._undecoded:
            return
        self._decoder.process_raw(self._noise.add(bytes(self._undecoded)), False, False)
        self._undecoded.clear()
        text = partial_text(self._decoder)
        if text and text != self._partial:
            self._partial = text
            self._send(PartialText(self._stream, text))

    def _result(self) -> _Result:
        assert self._utterance is not None
        self._decode()
        result = self._judged()
        if result.confidence < UNDERSTOOD_CONFIDENCE:
            # Over other noise it may be plainer; and the front end, which adapts to the line with every utterance, now
            # knows this one.
            self._start_decoding(once_more=True)
            decoded = self._utterance[: len(self._utterance) - len(self._pause)]
            self._decoder.process_raw(self._noise.add(bytes(decoded)), False, False)
            result = max(result, self._judged(), key=lambda judged: judged.confidence)
        return result

    def _judged(self) -> _Result:
        hypothesis = finish(self._decoder)
        return _Result(hypothesis, confidence(hypothesis))

    def _give(self, *, answers: bool) -> None:
        result = self._early or self._result()
        self._early = None
        self._utterance = None
        self._undecoded.clear()
        self._voiced_run = 0
        understood = result.confidence >= UNDERSTOOD_CONFIDENCE
        if not answers and not understood:
            return
        words = tuple(
            RecognisedWord(word.word, self._started_ms + word.start_ms, self._started_ms + word.end_ms, word.confidence)
            for word in (result.hypothesis.words if understood else ())
        )
        text = result.hypothesis.text if understood else ""
        self._send(FinalText(self._stream, text, result.confidence, words, answers=answers))

"""What parent and speech workers say to each other, and how it is framed on a pipe.

A frame is a four-byte big-endian length and a MessagePack value. Nothing but these structures crosses the pipe, so a
worker can be killed, restarted or replaced by another program without the parent noticing more than a lost stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

MAX_FRAME_BYTES = 8 * 1024 * 1024
_LENGTH_BYTES = 4


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


class Ready(_Message, frozen=True):
    """First message of every worker. ``unavailable`` says what is missing and how to install it; empty when usable."""

    unavailable: str = ""


class Failed(_Message, frozen=True):
    """The worker could not serve this stream; the others go on. ``stream`` 0 is the worker itself."""

    stream: int
    detail: str


class AreYouThere(_Message, frozen=True):
    """To any worker, which answers in its turn: someone has waited in vain and left. ``stream`` is 0."""

    stream: int = 0


class Here(_Message, frozen=True):
    """The answer to it."""

    stream: int = 0


# To the recogniser worker.


class OpenRecognition(_Message, frozen=True):
    """``assistant`` holds the parts of its configuration that a language model of its callers is made from."""

    stream: int
    assistant: dict[str, Any]


class PrepareRecognition(_Message, frozen=True):
    """Build that language model now; a call with this assistant is about to start. ``stream`` is 0."""

    stream: int
    assistant: dict[str, Any]


class HeardAudio(_Message, frozen=True):
    """16 kHz mono s16le, any whole number of samples."""

    stream: int
    pcm: bytes


class FinalizeRecognition(_Message, frozen=True):
    """The caller has stopped: answer with a final."""

    stream: int


class CloseRecognition(_Message, frozen=True):
    """Forget the stream."""

    stream: int


# From the recogniser worker.


class PartialText(_Message, frozen=True):
    """Replaces the partial before it."""

    stream: int
    text: str


class RecognisedWord(msgspec.Struct, frozen=True, array_like=True):
    """Times in ms from the start of the stream; ``confidence`` in 0..1."""

    text: str
    start_ms: float
    end_ms: float
    confidence: float


class FinalText(_Message, frozen=True):
    """Empty ``text``: something was said that the language model does not cover. ``answers`` tells a final that was
    asked for from one the worker gave by itself after a long silence."""

    stream: int
    text: str
    confidence: float
    words: tuple[RecognisedWord, ...]
    answers: bool


# To the voice worker.


class Speak(_Message, frozen=True):
    """``voice`` is an espeak-ng voice with its variant (``en-us+f2``)."""

    stream: int
    text: str
    voice: str
    words_per_minute: int
    pitch: int


class CancelSpeech(_Message, frozen=True):
    """Stop speaking, or do not begin."""

    stream: int


# From the voice worker.


class SpokenAudio(_Message, frozen=True):
    """16 kHz mono s16le."""

    stream: int
    pcm: bytes


class SpokenWord(_Message, frozen=True):
    """The word at ``text[start_char:end_char]`` begins at ``start_ms`` of the stream's audio."""

    stream: int
    start_char: int
    end_char: int
    start_ms: float


class SpeechDone(_Message, frozen=True):
    """All audio was sent, or the stream was cancelled."""

    stream: int


ToRecogniser = OpenRecognition | PrepareRecognition | HeardAudio | FinalizeRecognition | CloseRecognition
FromRecogniser = PartialText | FinalText
ToVoice = Speak | CancelSpeech
FromVoice = SpokenAudio | SpokenWord | SpeechDone
ToWorker = ToRecogniser | ToVoice | AreYouThere
FromWorker = Ready | Failed | Here | FromRecogniser | FromVoice

_encoder = msgspec.msgpack.Encoder()


def frame(message: ToWorker | FromWorker) -> bytes:
    """One message as it goes on the pipe."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Deframer:
    """Cuts a byte stream into message bodies; holds at most one incomplete frame.

    Raises ``ValueError`` when a frame announces more than ``MAX_FRAME_BYTES``: the other side does not speak this
    protocol, and there is no way to find the next frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._buffer += data
        while len(self._buffer) >= _LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                raise ValueError(f"frame of {length} bytes exceeds the limit of {MAX_FRAME_BYTES}")
            end = _LENGTH_BYTES + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH_BYTES:end])
            del self._buffer[:end]
            yield body

"""Providers that follow a script, with fixed delays: for tests, benchmarks and trying policies without any speech.

Audio they make is a quiet tone whose length follows from the text, so that durations and word times are exact.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from media.providers.errors import ProviderError
from media.providers.language_model import ModelFact, ModelRequest, TextDelta, Usage
from media.providers.speech_to_text import (
    EndOfTurn,
    Final,
    Partial,
    TranscriberTraits,
    TranscriptFact,
    TranscriptionStream,
)
from media.providers.text_to_speech import AudioChunk, VoiceFact, VoiceTraits, WordTime

_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class Failure:
    """A step of a script that breaks the provider there."""

    error: ProviderError


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a script that waits."""

    seconds: float


class ScriptedStream:
    """A recognition that gives the next scripted text each time speech has stopped; also fed by hand with ``put``."""

    def __init__(self, owner: ScriptedSpeechToText) -> None:
        self._owner = owner
        self._facts: asyncio.Queue[TranscriptFact | Pause | Failure] = asyncio.Queue()
        self.frames = 0

    def put(self, *facts: TranscriptFact | Pause | Failure) -> None:
        """Give these facts now, one after the other."""
        for fact in facts:
            self._facts.put_nowait(fact)

    def feed(self, frame: bytes) -> None:
        self.frames += 1

    def finalize(self) -> None:
        self.put(*self._owner.next_answer())

    async def __aiter__(self) -> AsyncIterator[TranscriptFact]:
        while True:
            fact = await self._facts.get()
            if isinstance(fact, Failure):
                raise fact.error
            if isinstance(fact, Pause):
                await asyncio.sleep(fact.seconds)
                continue
            yield fact


class ScriptedSpeechToText:
    """Hears ``texts`` one after the other, one per stop of speech; then nothing it understands.

    A partial and the final come ``final_delay_s`` after speech has stopped.
    """

    def __init__(
        self, texts: Sequence[str] = (), *, final_delay_s: float = 0.0, native_end_of_turn: bool = False
    ) -> None:
        self._texts = list(texts)
        self.final_delay_s = final_delay_s
        self._traits = TranscriberTraits(native_end_of_turn=native_end_of_turn, needs_finalize=True)
        self.streams: list[ScriptedStream] = []
        """Every recognition that was opened, so that a test can speak through it."""
        self._opened = asyncio.Condition()

    @property
    def provider(self) -> str:
        return "scripted"

    @property
    def traits(self) -> TranscriberTraits:
        return self._traits

    async def opened(self, count: int) -> ScriptedStream:
        """The ``count``-th recognition, once it is open."""
        async with self._opened:
            await self._opened.wait_for(lambda: len(self.streams) >= count)
        return self.streams[count - 1]

    def next_answer(self) -> list[TranscriptFact | Pause]:
        text = self._texts.pop(0) if self._texts else ""
        facts: list[TranscriptFact | Pause] = [Pause(self.final_delay_s)] if self.final_delay_s else []
        if text:
            facts.append(Partial(text))
        facts.append(Final(text))
        if self._traits.native_end_of_turn:
            facts.append(EndOfTurn())
        return facts

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[TranscriptionStream, None]:
        stream = ScriptedStream(self)
        self.streams.append(stream)
        async with self._opened:
            self._opened.notify_all()
        yield stream


Answer = Sequence[ModelFact | Pause | Failure] | str


@dataclass(slots=True)
class ScriptedLanguageModel:
    """Gives ``answers`` in order, the last one for ever; a text answer comes word by word.

    ``first_token_s`` passes before the first fact of an answer, ``token_s`` between facts. A callable instead of a
    sequence decides from the request.
    """

    answers: Sequence[Answer] | Callable[[ModelRequest], Answer] = ("All right.",)
    first_token_s: float = 0.0
    token_s: float = 0.0
    name: str = "scripted"
    requests: list[ModelRequest] = field(default_factory=list)
    cancelled: int = 0

    @property
    def provider(self) -> str:
        return "scripted"

    @property
    def model(self) -> str:
        return self.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelFact, None]:
        self.requests.append(request)
        try:
            if self.first_token_s:
                await asyncio.sleep(self.first_token_s)
            words = 0
            for step in self._steps(request):
                match step:
                    case Pause(seconds=seconds):
                        await asyncio.sleep(seconds)
                        continue
                    case Failure(error=error):
                        raise error
                    case _:
                        words += 1
                        yield step
                if self.token_s:
                    await asyncio.sleep(self.token_s)
            yield Usage(prompt_tokens=len(request.messages) * 10, completion_tokens=words, estimated=True)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    def _steps(self, request: ModelRequest) -> Sequence[ModelFact | Pause | Failure]:
        if callable(self.answers):
            answer = self.answers(request)
        else:
            answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if not isinstance(answer, str):
            return answer
        words = answer.split(" ")
        return [TextDelta(word if index == 0 else f" {word}") for index, word in enumerate(words)]


@dataclass(slots=True)
class ScriptedTextToSpeech:
    """Speaks a tone of ``ms_per_character`` for each character, in pieces, after ``first_audio_s``.

    ``failures`` are raised first, one per request, before any audio.
    """

    ms_per_character: float = 20.0
    first_audio_s: float = 0.0
    piece_ms: int = 200
    word_times: bool = True
    failures: list[ProviderError] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)

    @property
    def provider(self) -> str:
        return "scripted"

    @property
    def traits(self) -> VoiceTraits:
        return VoiceTraits(word_times=self.word_times)

    async def synthesize(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        if self.first_audio_s:
            await asyncio.sleep(self.first_audio_s)
        if self.failures:
            raise self.failures.pop(0)
        self.spoken.append(text)
        if self.word_times:
            start = 0
            for word in text.split(" "):
                if word:
                    yield WordTime(start, start + len(word), start * self.ms_per_character)
                start += len(word) + 1
        pcm = tone(len(text) * self.ms_per_character)
        piece = self.piece_ms * _RATE_HZ // 1000 * 2
        for begin in range(0, len(pcm), piece):
            yield AudioChunk(pcm[begin : begin + piece])


def tone(duration_ms: float, *, hz: float = 440.0, amplitude: int = 6_000) -> bytes:
    """A sine of that length as 16 kHz mono s16le: loud enough for any voice detector in tests."""
    samples = np.arange(round(duration_ms * _RATE_HZ / 1000))
    wave: Any = amplitude * np.sin(2 * np.pi * hz * samples / _RATE_HZ)
    return np.asarray(wave, np.int16).tobytes()


__all__ = [
    "Failure",
    "Pause",
    "ScriptedLanguageModel",
    "ScriptedSpeechToText",
    "ScriptedStream",
    "ScriptedTextToSpeech",
    "tone",
]

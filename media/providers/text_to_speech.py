"""Text to speech: one chunk of text in, 16 kHz mono s16le audio and word times out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Any even number of bytes; the player cuts frames."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class WordTime:
    """The word at ``text[start_char:end_char]`` of the chunk begins to sound at ``start_ms`` of the chunk's audio."""

    start_char: int
    end_char: int
    start_ms: float


VoiceFact = AudioChunk | WordTime


@dataclass(frozen=True, slots=True)
class VoiceTraits:
    """``p99_ms``: what to expect from text to first audio. ``first_audio_s``: how long it may take at most, where the
    assistant says so itself."""

    word_times: bool = False
    p99_ms: float = 300.0
    first_audio_s: float | None = None


class TextToSpeech(Protocol):
    """One voice of one assistant."""

    @property
    def provider(self) -> str: ...

    @property
    def traits(self) -> VoiceTraits: ...

    def synthesize(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        """Raises ``ProviderError``. Closing the generator cancels synthesis."""

"""Speech to text: audio in, transcript facts out. Audio is 16 kHz mono s16le in 20 ms frames (640 bytes)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Word:
    """Times in ms from the start of the stream."""

    text: str
    start_ms: float
    end_ms: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Partial:
    """Replaces the partial before it."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """A fragment that will not change any more. Empty text: heard something, understood nothing. ``language`` is that
    of most words, where the provider tells."""

    text: str
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The provider's own judgement that the speaker has finished."""


@dataclass(frozen=True, slots=True)
class EagerEndOfTurn:
    """The speaker has probably finished: time to prepare an answer to ``text``, not to give it."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The speaker goes on after ``EagerEndOfTurn``: what was prepared is worth nothing."""


TranscriptFact = Partial | Final | EndOfTurn | EagerEndOfTurn | TurnResumed


@dataclass(frozen=True, slots=True)
class TranscriberTraits:
    """``native_end_of_turn``: decides turns itself. ``needs_finalize``: gives its final only when told that speech
    has stopped. ``p99_ms``: what to expect between end of speech and final. ``word_times``: finals carry their words
    with times."""

    native_end_of_turn: bool = False
    needs_finalize: bool = False
    p99_ms: float = 500.0
    word_times: bool = False


class TranscriptionStream(Protocol):
    """One live recognition. Iterate it for facts; iteration raises ``ProviderError`` when the provider fails."""

    def feed(self, frame: bytes) -> None:
        """One 20 ms frame; never blocks, a bounded queue behind it sheds the oldest."""

    def finalize(self) -> None:
        """Speech has stopped: give the final of what was fed so far."""

    def __aiter__(self) -> AsyncIterator[TranscriptFact]: ...


class SpeechToText(Protocol):
    """One transcriber of one assistant."""

    @property
    def provider(self) -> str: ...

    @property
    def traits(self) -> TranscriberTraits: ...

    def connect(self) -> AbstractAsyncContextManager[TranscriptionStream]:
        """Leaving the context closes the connection at once."""

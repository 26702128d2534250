"""What a simulated recogniser makes of audio: loud frames are speech, a scripted text grows while they last.

Everything follows the audio's own time, so that a recognition is the same however fast the audio comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_FRAME = 640
_FRAME_MS = 20
_LOUD = 500
_STARTS_MS = 60
_WORD_MS = 120


@dataclass(frozen=True)
class Started:
    """Speech began."""


@dataclass(frozen=True)
class Grew:
    """So much of the text has been heard by now."""

    text: str


@dataclass(frozen=True)
class Quiet:
    """It has been quiet for so long since speech; ``text`` is all of it."""

    ms: int
    text: str


@dataclass(frozen=True)
class Resumed:
    """Speech goes on after a pause."""


class HeardSpeech:
    """``texts`` are heard one after the other, one for each stretch of speech that ``settle`` ends."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(texts)
        self._rest = b""
        self._voiced_ms = 0
        self._quiet_ms = 0
        self.now_ms = 0
        self.started_ms = 0

    @property
    def text(self) -> str:
        """What has been heard of the text so far; empty where nothing is being said."""
        if self._voiced_ms < _STARTS_MS or not self._texts:
            return ""
        words = self._texts[0].split()
        return " ".join(words[: 1 + self._voiced_ms // _WORD_MS])

    @property
    def whole(self) -> str:
        """The whole text that is being said."""
        return self._texts[0] if self._voiced_ms >= _STARTS_MS and self._texts else ""

    def settle(self) -> None:
        """The text has been given: the next speech is the next text."""
        if self._voiced_ms >= _STARTS_MS and self._texts:
            self._texts.pop(0)
        self._voiced_ms = self._quiet_ms = 0

    def feed(self, pcm: bytes) -> Iterator[Started | Grew | Quiet | Resumed]:
        """Everything that these bytes bring about, frame by frame."""
        self._rest += pcm
        while len(self._rest) >= _FRAME:
            frame, self._rest = self._rest[:_FRAME], self._rest[_FRAME:]
            yield from self._hear(frame)

    def _hear(self, frame: bytes) -> Iterator[Started | Grew | Quiet | Resumed]:
        self.now_ms += _FRAME_MS
        loud = float(np.abs(np.frombuffer(frame, "<i2").astype(np.int32)).mean()) > _LOUD
        before = self.text
        if loud:
            paused = self._quiet_ms > 0 and self._voiced_ms >= _STARTS_MS
            self._voiced_ms += _FRAME_MS
            self._quiet_ms = 0
            if self._voiced_ms == _STARTS_MS:
                self.started_ms = self.now_ms
                yield Started()
            elif paused:
                yield Resumed()
            if self.text and self.text != before:
                yield Grew(self.text)
        elif self._voiced_ms >= _STARTS_MS:
            self._quiet_ms += _FRAME_MS
            yield Quiet(self._quiet_ms, self.whole)


def word_times(text: str, started_ms: int) -> list[tuple[str, float, float]]:
    """Word, start and end in seconds."""
    return [
        (word, (started_ms + index * _WORD_MS) / 1_000, (started_ms + (index + 1) * _WORD_MS - 20) / 1_000)
        for index, word in enumerate(text.split())
    ]

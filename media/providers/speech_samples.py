"""A vendor's audio as the player takes it: whole samples at 16 kHz, whatever the pieces that it came in."""

from __future__ import annotations

from typing import Final

import numpy as np

from media.audio.formats import RateConverter

RATE_HZ: Final = 16_000
_SAMPLE_BYTES: Final = 2


class SpeechSamples:
    """One utterance's mono s16le audio at ``rate_hz``."""

    def __init__(self, rate_hz: int) -> None:
        self._half = b""
        self._rate = None if rate_hz == RATE_HZ else RateConverter(rate_hz, RATE_HZ)

    def take(self, piece: bytes) -> bytes:
        """What can be played of everything so far that has not been given yet."""
        pcm = self._half + piece
        whole = len(pcm) - len(pcm) % _SAMPLE_BYTES
        self._half = pcm[whole:]
        return self._converted(pcm[:whole], last=False)

    def end(self) -> bytes:
        """The rest."""
        return self._converted(b"", last=True)

    def _converted(self, pcm: bytes, *, last: bool) -> bytes:
        return pcm if self._rate is None else self._rate.convert(np.frombuffer(pcm, "<i2"), last=last).tobytes()

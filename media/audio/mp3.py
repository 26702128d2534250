"""Recordings as mp3, by LAME where it is installed (``callfold[mp3]``)."""

from __future__ import annotations

import wave
from pathlib import Path

MP3 = "audio/mpeg"
KBIT_PER_S = 48
"""For one channel of speech at 16 kHz; two take twice as much."""
_PIECE_FRAMES = 160_000


class Mp3Unavailable(Exception):
    """LAME is not installed; the message says what to install."""


def encode(source: Path) -> Path:
    """Write ``source`` (WAV) as mp3 beside it and return that path; ``source`` stays. Blocking.

    Works in pieces of ten seconds. Raises ``Mp3Unavailable``, and ``OSError`` where there is no room.
    """
    try:
        import lameenc
    except ImportError as error:
        raise Mp3Unavailable("recordings as mp3 need LAME: install callfold[mp3]") from error
    target = source.with_suffix(".mp3")
    try:
        with wave.open(str(source), "rb") as sound, target.open("wb") as file:
            encoder = lameenc.Encoder()
            encoder.set_channels(sound.getnchannels())
            encoder.set_in_sample_rate(sound.getframerate())
            encoder.set_bit_rate(KBIT_PER_S * sound.getnchannels())
            encoder.set_quality(5)
            encoder.silence()
            while piece := sound.readframes(_PIECE_FRAMES):
                file.write(encoder.encode(piece))
            file.write(encoder.flush())
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return target

"""The sound of a room under what the assistant says: a tenant's own, or one made here from a seed, so that no recording
has to be shipped.

An office as a telephone hears it: air, a murmur of voices that nobody can make out, a key now and then.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from media.audio.framing import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

LOOP_S = 16
_SEED = 20_261
_AIR_RMS = 60.0
_MURMUR_RMS = 140.0
_KEY_PEAK = 420.0
_KEYS = 22
_BACKGROUND_RMS = 400.0
"""Loudness that speech stays well above."""

Samples = npt.NDArray[np.int16]


class Ambience:
    """A loop of sound, frame after frame."""

    __slots__ = ("_at", "_loop")

    def __init__(self, loop: Samples) -> None:
        self._loop = loop
        self._at = 0

    def frame(self) -> Samples:
        """The next 20 ms."""
        start, self._at = self._at, (self._at + FRAME_SAMPLES) % len(self._loop)
        return self._loop[start : start + FRAME_SAMPLES]

    def under(self, speech: bytes) -> bytes:
        """A frame of speech with the next 20 ms beneath it."""
        mixed = np.frombuffer(speech, np.int16).astype(np.int32) + self.frame()
        clipped: Samples = np.clip(mixed, -32_768, 32_767).astype(np.int16)
        return clipped.tobytes()


def office() -> Ambience:
    """An office. The loop is made at first use, in about 20 ms."""
    return Ambience(_office_loop())


def on_repeat(pcm: bytes, level_rms: float = _BACKGROUND_RMS) -> Samples:
    """A sound of one's own (16 kHz mono s16le) as a loop of whole frames, no louder than what lies under speech may be.

    Raises ``ValueError`` where it is shorter than one frame.
    """
    samples = np.frombuffer(pcm, np.int16)
    whole = len(samples) - len(samples) % FRAME_SAMPLES
    if not whole:
        raise ValueError("it is shorter than 20 ms")
    loop = samples[:whole].astype(np.float64)
    loudness = float(np.sqrt(np.mean(loop**2)))
    return (loop * min(1.0, level_rms / max(loudness, 1.0))).astype(np.int16)


@cache
def _office_loop() -> Samples:
    chance = np.random.default_rng(_SEED)
    count = SAMPLE_RATE_HZ * LOOP_S
    air = _band(chance, count, 40.0, 3_000.0, slope=-0.9)
    murmur = _band(chance, count, 180.0, 1_100.0, slope=-0.4)
    # Syllables come at about four a second; several people at once are hardly ever all silent.
    syllables = np.clip(_band(chance, count, 0.5, 5.0, slope=-0.3) * 0.6 + 0.8, 0.0, 3.0)
    sound = air * _AIR_RMS + murmur * syllables * _MURMUR_RMS
    click = chance.normal(0, 1, FRAME_SAMPLES) * np.exp(-np.arange(FRAME_SAMPLES) / 40.0)
    for start in chance.integers(0, count - FRAME_SAMPLES, _KEYS):
        sound[start : start + FRAME_SAMPLES] += click * _KEY_PEAK * chance.uniform(0.3, 1.0)
    whole = count - count % (SAMPLE_RATE_HZ * FRAME_MS // 1000)
    return np.clip(sound[:whole], -32_768, 32_767).astype(np.int16)


def _band(
    chance: np.random.Generator, count: int, low_hz: float, high_hz: float, *, slope: float
) -> npt.NDArray[np.float64]:
    """Noise of one band at an effective value of 1; made of whole periods, so its end meets its beginning."""
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    inside = (hertz >= low_hz) & (hertz <= high_hz)
    spectrum = np.zeros(len(hertz), np.complex128)
    spectrum[inside] = np.exp(2j * np.pi * chance.random(int(inside.sum()))) * hertz[inside] ** slope
    noise = np.fft.irfft(spectrum, count)
    shaped: npt.NDArray[np.float64] = noise / np.sqrt(np.mean(noise**2))
    return shaped

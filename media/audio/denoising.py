"""Taking noise and background speech out of the caller's sound before it is recognised; what is recorded stays as it
was.

``NoiseSuppressor`` is WebRTC's, which knows steady noise from speech in each band. ``BackgroundGate`` tells the person
at the telephone from voices and media behind them by how loud they are. Both work on one frame at a time without delay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from media.audio.framing import FRAME_MS

Denoise = Callable[[bytes], bytes]
"""One 20 ms frame in, one out."""

SUPPRESSION = 3
"""WebRTC's level, of 0 to 4: about 15 dB less noise, with hardly anything taken from speech."""
_HALF_FRAME_BYTES = 320
_SILENCE_DB = -96.0
_SHUT_GAIN = 0.03
"""What is left of what the gate shuts out: enough not to sound like a dead line, too little to be words."""
_HOLD_FRAMES = 12
"""Ends of words are softer than words: the gate stays open this long after the last loud frame."""
_LEAST_FRAMES = 25
"""A baseline wants half a second of sound."""
_BASELINE_EVERY = 5
_MEDIA_SPREAD_DB = 12.0
"""People pause: where the quiet fifth of the window is not this much below the loud one, something plays on."""
_MEDIA_FACTOR = 0.5


class SuppressionUnavailable(Exception):
    """The suppressor is not installed; the message says what to install."""


class NoiseSuppressor:
    """WebRTC's noise suppression. Takes about 30 microseconds a frame. Raises ``SuppressionUnavailable``."""

    __slots__ = ("_process",)

    def __init__(self) -> None:
        try:
            from webrtc_noise_gain import AudioProcessor
        except ImportError as error:
            raise SuppressionUnavailable("smart denoising needs WebRTC's suppressor: callfold[denoise]") from error
        self._process = AudioProcessor(0, SUPPRESSION).Process10ms

    def __call__(self, frame: bytes) -> bytes:
        halves = (frame[:_HALF_FRAME_BYTES], frame[_HALF_FRAME_BYTES:])
        return b"".join(self._process(half).audio for half in halves)


class BackgroundGate:
    """Shuts out what is much softer than the caller.

    The caller's level is the ``percentile`` of the last ``window_ms``; what lies more than ``-offset_db`` below it is
    shut out. Before there is one, ``static_db`` decides (dB relative to full scale). ``detects_media``: sound that
    never pauses counts as a television or radio, and the gate closes nearer to the caller's level.
    """

    __slots__ = ("_baseline", "_gain", "_held", "_levels", "_media", "_offset", "_percentile", "_static", "_until_next")

    def __init__(
        self, *, static_db: float, offset_db: float, window_ms: float, percentile: float, detects_media: bool
    ) -> None:
        self._static = static_db
        self._offset = offset_db
        self._percentile = percentile
        self._media = detects_media
        self._levels: deque[float] = deque(maxlen=max(_LEAST_FRAMES, round(window_ms / FRAME_MS)))
        self._baseline: float | None = None
        self._until_next = 0
        self._held = 0
        self._gain = 1.0

    @property
    def threshold_db(self) -> float:
        """What is softer than this is shut out now."""
        return self._static if self._baseline is None else self._baseline

    def __call__(self, frame: bytes) -> bytes:
        samples = np.frombuffer(frame, np.int16)
        level = _level_db(samples)
        self._levels.append(level)
        self._judge()
        self._held = _HOLD_FRAMES if level >= self.threshold_db else max(0, self._held - 1)
        before, self._gain = self._gain, 1.0 if self._held else _SHUT_GAIN
        if before == self._gain == 1.0:
            return frame
        # A step in loudness clicks; over one frame it does not.
        ramp = np.linspace(before, self._gain, len(samples), dtype=np.float32)
        return (samples * ramp).astype(np.int16).tobytes()

    def _judge(self) -> None:
        self._until_next -= 1
        if self._until_next > 0 or len(self._levels) < _LEAST_FRAMES:
            return
        self._until_next = _BASELINE_EVERY
        quiet, loud = np.percentile(np.array(self._levels), (20.0, self._percentile))
        goes_on = self._media and loud > self._static and loud - quiet < _MEDIA_SPREAD_DB
        self._baseline = float(loud) + self._offset * (_MEDIA_FACTOR if goes_on else 1.0)


def in_turn(steps: tuple[Denoise, ...]) -> Denoise | None:
    """Several steps one after the other; ``None`` where there are none."""
    if not steps:
        return None

    def cleaned(frame: bytes) -> bytes:
        for step in steps:
            frame = step(frame)
        return frame

    return cleaned


def _level_db(samples: npt.NDArray[np.int16]) -> float:
    values = samples.astype(np.float32)
    power = float(np.dot(values, values)) / (len(samples) * 32_768.0**2)
    return max(_SILENCE_DB, 10.0 * float(np.log10(power))) if power > 0 else _SILENCE_DB

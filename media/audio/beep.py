"""Hearing the beep of an answering machine: one steady tone, nothing else, for a while.

Machines beep at 400 to 2,000 Hz for some tenths of a second; speech moves, and rings at several frequencies at once.
"""

from __future__ import annotations

import numpy as np

from media.audio.framing import FRAME_MS, SAMPLE_RATE_HZ

LOWEST_HZ = 400.0
HIGHEST_HZ = 2_100.0
SHORTEST_MS = 180
LONGEST_MS = 3_000
"""A tone that goes on is a ring-back or a fax, no beep."""
QUIETEST_PEAK = 500
_PURITY = 0.8
"""Share of the frame's power that lies within two bins to each side of the strongest."""
_DRIFT_BINS = 1


class BeepDetector:
    """Fed with 20 ms frames; says once for each tone, when it has ended."""

    __slots__ = ("_bin", "_frames", "_window")

    def __init__(self) -> None:
        samples = SAMPLE_RATE_HZ * FRAME_MS // 1000
        self._window = np.hanning(samples).astype(np.float32)
        self._frames = 0
        self._bin = 0

    def push(self, frame: bytes) -> bool:
        """Whether a beep has just ended with the frame before this one."""
        tone = self._tone(np.frombuffer(frame, np.int16))
        if tone and (not self._frames or abs(tone - self._bin) <= _DRIFT_BINS):
            self._frames, self._bin = self._frames + 1, tone
            return False
        length_ms = self._frames * FRAME_MS
        self._frames, self._bin = (1, tone) if tone else (0, 0)
        return SHORTEST_MS <= length_ms <= LONGEST_MS

    def _tone(self, samples: np.typing.NDArray[np.int16]) -> int:
        """The bin of the frame's only tone; 0 where there is none."""
        if not samples.size or max(int(samples.max()), -int(samples.min())) < QUIETEST_PEAK:
            return 0
        power = np.abs(np.fft.rfft(samples * self._window)) ** 2
        strongest = int(power.argmax())
        hertz = strongest * SAMPLE_RATE_HZ / samples.size
        near = float(power[max(0, strongest - 2) : strongest + 3].sum())
        whole = float(power.sum())
        return strongest if LOWEST_HZ <= hertz <= HIGHEST_HZ and near >= _PURITY * whole else 0

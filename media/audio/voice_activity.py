"""Voice activity of the caller, frame by frame: the WebRTC detector, and an energy gate on what it calls voiced.

The detector takes about two microseconds a frame, less than the gate, so it goes first and both run on the loop;
anything heavier belongs into a worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from media.audio.framing import FRAME_MS, SAMPLE_RATE_HZ

Detector = Callable[[bytes], bool]
"""Says of one 20 ms frame whether it is voiced."""


@dataclass(frozen=True, slots=True)
class Started:
    """``at_ms`` is the beginning of the first voiced frame, some frames before now."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """``at_ms`` is the end of the last voiced frame."""

    at_ms: float


def webrtc_detector() -> Detector:
    """The WebRTC detector in its strictest mode, from the recogniser's wheel.

    Raises ``ImportError`` with what to install where the wheel is missing.
    """
    try:
        from pocketsphinx import Vad
    except ImportError as error:
        raise ImportError("voice activity needs pocketsphinx: install callfold[embedded]") from error
    return Vad(3, SAMPLE_RATE_HZ, FRAME_MS / 1000).is_speech  # type: ignore[no-any-return]  # untyped extension


def peak_detector(threshold: int) -> Detector:
    """Voiced is what is loud: for tests and for systems without the WebRTC detector."""

    def voiced(frame: bytes) -> bool:
        samples = np.frombuffer(frame, np.int16)
        return bool(samples.max() >= threshold or samples.min() <= -threshold)

    return voiced


class VoiceActivity:
    """Turns frames into starts and stops of speech.

    A start needs ``start_frames`` voiced frames in a row and is dated back to the first of them; a stop needs
    ``hangover_ms`` without a voiced frame and is dated back to the last one.
    """

    __slots__ = (
        "_gate",
        "_hangover_frames",
        "_is_voiced",
        "_last_voiced_ms",
        "_run",
        "_silent",
        "_start_frames",
        "speaking",
    )

    def __init__(self, is_voiced: Detector, *, gate_peak: int, start_frames: int, hangover_ms: int) -> None:
        self._is_voiced = is_voiced
        self._gate = gate_peak
        self._start_frames = start_frames
        self._hangover_frames = max(1, hangover_ms // FRAME_MS)
        self._run = 0
        self._silent = 0
        self._last_voiced_ms = 0.0
        self.speaking = False

    def push(self, frame: bytes, end_ms: float) -> Started | Stopped | None:
        """Judge one frame that ends at ``end_ms`` of the call's clock."""
        voiced = self._is_voiced(frame) and self._loud(frame)
        if voiced:
            self._last_voiced_ms = end_ms
        if not self.speaking:
            self._run = self._run + 1 if voiced else 0
            if self._run < self._start_frames:
                return None
            self.speaking, self._silent, self._run = True, 0, 0
            return Started(end_ms - self._start_frames * FRAME_MS)
        self._silent = 0 if voiced else self._silent + 1
        if self._silent < self._hangover_frames:
            return None
        self.speaking = False
        return Stopped(self._last_voiced_ms)

    def _loud(self, frame: bytes) -> bool:
        samples = np.frombuffer(frame, np.int16)
        return bool(samples.max() >= self._gate or samples.min() <= -self._gate)

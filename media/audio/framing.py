"""Audio is cut into 20 ms frames once, at the edge; everything behind handles whole frames."""

from __future__ import annotations

from collections.abc import Sequence

SAMPLE_RATE_HZ = 16_000
FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2
BYTES_PER_MS = SAMPLE_RATE_HZ * 2 // 1000
SILENCE = bytes(FRAME_BYTES)


def duration_ms(pcm_bytes: int) -> float:
    """Length of that many bytes of 16 kHz mono s16le."""
    return pcm_bytes / BYTES_PER_MS


class Framer:
    """Cuts a stream of 16 kHz s16le bytes into 20 ms frames; keeps the rest for the next piece."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def push(self, pcm: bytes) -> Sequence[bytes]:
        """Every whole frame that is there now."""
        if len(pcm) == FRAME_BYTES and not self._rest:
            return (pcm,)
        data = self._rest + pcm if self._rest else pcm
        whole = len(data) - len(data) % FRAME_BYTES
        self._rest = data[whole:]
        return [data[start : start + FRAME_BYTES] for start in range(0, whole, FRAME_BYTES)]

"""What the browser hears: a track of Opus packets, one every 20 ms of the clock, silence where there is no speech."""

from __future__ import annotations

import asyncio
from collections import deque
from fractions import Fraction
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet

from media.audio.framing import FRAME_BYTES, FRAME_MS, SILENCE
from media.transports.webrtc.opus import OpusEncoder

_CLOCK_HZ = 48_000
"""RTP's clock for Opus, whatever the rate of the sound (RFC 7587, section 4.1)."""
_FRAME_S = FRAME_MS / 1000
_TICKS = _CLOCK_HZ * FRAME_MS // 1000
_STALLED_S = 0.2
_FADING_FRAMES = 3
"""Silent frames after speech until the encoder has nothing of it left; from then on its last packet serves again."""
_LONGEST_QUEUE = 50


class OutgoingSpeech(MediaStreamTrack):
    """Gives aiortc packets instead of frames, which spares its encoder thread and its loop over every sample."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._encoder = OpusEncoder()
        self._frames: deque[bytes] = deque(maxlen=_LONGEST_QUEUE)
        self._sent = 0
        self._began_s: float | None = None
        self._silent = 0
        self._silence = b""
        self._emptied = asyncio.Event()
        self._emptied.set()

    def push(self, audio: bytes) -> None:
        """Speech of whole 20 ms frames, 16 kHz mono. The oldest is dropped beyond one second: it would be late."""
        for start in range(0, len(audio), FRAME_BYTES):
            self._frames.append(audio[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))
            self._emptied.clear()

    async def drained(self) -> None:
        """Return when everything pushed has been sent."""
        await self._emptied.wait()

    async def recv(self) -> Packet[Any]:
        """The next packet when its time has come. Raises ``MediaStreamError`` once the track has stopped."""
        loop = asyncio.get_running_loop()
        if self._began_s is None:
            self._began_s = loop.time()
        due_s = self._began_s + self._sent * _FRAME_S - loop.time()
        if due_s > 0:
            await asyncio.sleep(due_s)
        elif due_s < -_STALLED_S:
            self._began_s -= due_s
        if self.readyState != "live":
            raise MediaStreamError
        packet: Packet[Any] = Packet(self._next())
        packet.pts = self._sent * _TICKS
        packet.time_base = Fraction(1, _CLOCK_HZ)
        self._sent += 1
        return packet

    def stop(self) -> None:
        """End the track; nothing is sent any more."""
        super().stop()
        self._emptied.set()
        self._encoder.close()

    def _next(self) -> bytes:
        if self._frames:
            self._silent = 0
            speech = self._encoder.encode(self._frames.popleft())
            if not self._frames:
                self._emptied.set()
            return speech
        if self._silent < _FADING_FRAMES:
            self._silent += 1
            self._silence = self._encoder.encode(SILENCE)
        return self._silence

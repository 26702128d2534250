"""Listening in on a call: a mono mix of both sides for any number of sockets, none of which can slow the call."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec
import numpy as np

from domain.live_calls import CallSocket
from media.audio.framing import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ, SILENCE

FORMAT_ANNOUNCEMENT = msgspec.json.encode(
    {
        "type": "listen-started",
        "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": SAMPLE_RATE_HZ, "channels": 1},
    }
).decode()
"""The first message to a listener; everything after it is binary."""


class _Listener:
    __slots__ = ("dropped", "frames", "over", "work")

    def __init__(self, cap_frames: int) -> None:
        self.frames: deque[bytes] = deque(maxlen=cap_frames)
        self.work = asyncio.Event()
        self.dropped = 0
        self.over = False


class Listeners:
    """The fan-out of one call. Costs nothing while nobody listens."""

    def __init__(self, cap_ms: int) -> None:
        self._cap_frames = max(1, cap_ms // FRAME_MS)
        self._listeners: list[_Listener] = []
        self._customer: deque[bytes] = deque(maxlen=self._cap_frames)
        self._assistant: deque[bytes] = deque(maxlen=self._cap_frames)
        self._mixed_ms: float | None = None
        self._over = False

    def customer(self, frame: bytes) -> None:
        if self._listeners:
            self._customer.append(frame)

    def assistant(self, frame: bytes) -> None:
        if self._listeners:
            self._assistant.append(frame)

    def cut_assistant(self) -> None:
        """What was sent ahead is not heard any more."""
        self._assistant.clear()

    @property
    def dropped(self) -> int:
        """Frames that slow listeners missed."""
        return sum(listener.dropped for listener in self._listeners)

    def tick(self, now_ms: float) -> None:
        """Mix and hand out the frames that are due."""
        if not self._listeners:
            self._mixed_ms = None
            return
        if self._mixed_ms is None or self._mixed_ms < now_ms - FRAME_MS * self._cap_frames:
            self._mixed_ms = now_ms - FRAME_MS
        while self._mixed_ms + FRAME_MS <= now_ms:
            self._mixed_ms += FRAME_MS
            frame = _mix(
                self._customer.popleft() if self._customer else SILENCE,
                self._assistant.popleft() if self._assistant else SILENCE,
            )
            for listener in self._listeners:
                if len(listener.frames) == self._cap_frames:
                    listener.dropped += 1
                listener.frames.append(frame)
                listener.work.set()

    async def serve(self, socket: CallSocket) -> None:
        """Stream to one socket until it goes or the call ends."""
        listener = _Listener(self._cap_frames)
        if self._over:
            await socket.close(1000, "the call is over")
            return
        self._listeners.append(listener)
        try:
            await socket.send_text(FORMAT_ANNOUNCEMENT)
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_until_gone(socket, listener))
                await self._send(socket, listener)
                watch.cancel()
            await socket.close(1000, "the call is over")
        except* (OSError, RuntimeError):
            # The listener's connection broke; the call does not care.
            pass
        finally:
            self._listeners.remove(listener)

    def close(self) -> None:
        """The call is over: every listener's ``serve`` returns."""
        self._over = True
        for listener in self._listeners:
            listener.over = True
            listener.work.set()

    async def _send(self, socket: CallSocket, listener: _Listener) -> None:
        while True:
            await listener.work.wait()
            listener.work.clear()
            while listener.frames:
                await socket.send_bytes(listener.frames.popleft())
            if listener.over:
                return


async def _until_gone(socket: CallSocket, listener: _Listener) -> None:
    while await socket.receive() is not None:
        pass
    listener.over = True
    listener.work.set()


def _mix(one: bytes, other: bytes) -> bytes:
    if one is SILENCE:
        return other
    if other is SILENCE:
        return one
    mixed = np.frombuffer(one, np.int16).astype(np.int32) + np.frombuffer(other, np.int16)
    return np.clip(mixed, -32_768, 32_767).astype(np.int16).tobytes()[:FRAME_BYTES]

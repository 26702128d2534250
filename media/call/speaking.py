"""The assistant's direction: a frame that is due goes to the caller, into the recording and to whoever listens in."""

from __future__ import annotations

from media.audio.ambience import Ambience
from media.audio.framing import FRAME_MS
from media.audio.recording import Recording
from media.call.listeners import Listeners
from media.transports.websocket import WebSocketTransport

_LONGEST_GAP_MS = 200.0
"""A stall that is longer is not made up for."""


class Speaking:
    """The playout's ``AudioSink`` in a call. ``ambience`` sounds under the speech and between speeches."""

    __slots__ = ("_listeners", "_recording", "_sent_to_ms", "_transport", "ambience")

    def __init__(
        self,
        transport: WebSocketTransport,
        recording: Recording | None,
        listeners: Listeners,
        ambience: Ambience | None = None,
    ) -> None:
        self.ambience = ambience
        self._sent_to_ms = 0.0
        """Up to when the caller has something to hear."""
        self._transport = transport
        self._recording = recording
        self._listeners = listeners

    def send_frame(self, frame: bytes, sounds_at_ms: float) -> None:
        if self.ambience is not None:
            frame = self.ambience.under(frame)
            # Never further ahead than the frame of ambience that a speech began in: no delay grows with the call.
            self._sent_to_ms = max(self._sent_to_ms, sounds_at_ms) + FRAME_MS
        self._send(frame, sounds_at_ms)

    def rest(self, now_ms: float) -> None:
        """Nobody speaks: the room goes on, at real time."""
        if self.ambience is None:
            return
        if now_ms - self._sent_to_ms > _LONGEST_GAP_MS:
            self._sent_to_ms = now_ms
        while self._sent_to_ms <= now_ms:
            self._send(self.ambience.frame().tobytes(), self._sent_to_ms)
            self._sent_to_ms += FRAME_MS

    def _send(self, frame: bytes, sounds_at_ms: float) -> None:
        self._transport.send_frame(frame)
        if self._recording is not None:
            self._recording.assistant(frame, sounds_at_ms)
        self._listeners.assistant(frame)

    def end_of_speech(self) -> None:
        self._transport.end_of_speech()

    def clear(self, now_ms: float) -> None:
        self._transport.clear()
        self._sent_to_ms = min(self._sent_to_ms, now_ms)
        if self._recording is not None:
            self._recording.cut_assistant(now_ms)
        self._listeners.cut_assistant()

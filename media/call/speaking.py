"""The assistant's direction: a frame that is due goes to the caller, into the recording and to whoever listens in."""

from __future__ import annotations

from media.audio.recording import Recording
from media.call.listeners import Listeners
from media.transports.websocket import WebSocketTransport


class Speaking:
    """The playout's ``AudioSink`` in a call."""

    __slots__ = ("_listeners", "_recording", "_transport")

    def __init__(self, transport: WebSocketTransport, recording: Recording | None, listeners: Listeners) -> None:
        self._transport = transport
        self._recording = recording
        self._listeners = listeners

    def send_frame(self, frame: bytes, sounds_at_ms: float) -> None:
        self._transport.send_frame(frame)
        if self._recording is not None:
            self._recording.assistant(frame, sounds_at_ms)
        self._listeners.assistant(frame)

    def end_of_speech(self) -> None:
        self._transport.end_of_speech()

    def clear(self, now_ms: float) -> None:
        self._transport.clear()
        if self._recording is not None:
            self._recording.cut_assistant(now_ms)
        self._listeners.cut_assistant()

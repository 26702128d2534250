"""The WebSocket transport: binary messages are audio both ways, text messages are JSON control in, client messages out.

Close codes are those of RFC 6455: 1000 normal end, 1003 data of a kind we cannot accept, 1007 data that does not fit
its type, 1008 too far ahead of real time, 1009 message too big, 1011 server error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from domain.foreign_json import UnreadableJson, read_json
from domain.live_calls import CallSocket
from media.audio.formats import AudioFormat, Decoder, Encoder
from media.audio.framing import FRAME_MS, Framer
from media.audio.intake import Intake

_CONTAINERS: Mapping[bytes, str] = {
    b"RIFF": "a WAV file",
    b"OggS": "an Ogg stream",
    b"\x1aE\xdf\xa3": "a WebM stream",
    b"ID3": "an MP3 file",
    b"fLaC": "a FLAC file",
}

_TEXT_BURST = 200
_TEXT_PER_S = 50
"""Text messages a client may send at once, and after that each second: every one is weighed, and many are recorded."""

_encode = msgspec.json.Encoder().encode


class Receiver(Protocol):
    """Who hears what the client sends. Called on the loop; must not block."""

    def audio_arrived(self) -> None:
        """Frames wait in the transport's intake."""

    def control_arrived(self, message: dict[str, Any]) -> None: ...

    def warned(self, code: str, detail: str) -> None: ...

    def transport_closed(self, detail: str) -> None:
        """The client has gone, or was sent away for the reason given."""


class WebSocketTransport:
    """One caller's connection. ``read`` and ``write`` are the two tasks that run it. ``parting`` waits until it is this
    client's turn to have gone."""

    def __init__(
        self,
        socket: CallSocket,
        audio_format: AudioFormat,
        receiver: Receiver,
        *,
        intake: Intake,
        parting: Callable[[], Awaitable[None]],
        max_message_bytes: int,
        send_cap_ms: int,
    ) -> None:
        self._socket = socket
        self._format = audio_format
        self._receiver = receiver
        self._decoder = Decoder(audio_format)
        self._encoder = Encoder(audio_format)
        self._framer = Framer()
        self._parting = parting
        self.intake = intake
        self._max_message_bytes = max_message_bytes
        self._send_cap = max(1, send_cap_ms // FRAME_MS)
        self._out: deque[bytes | str] = deque()
        self._audio_waiting = 0
        self._work = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._reported_gone = False
        self._heard_anything = False
        self._text_allowance = float(_TEXT_BURST)
        self._text_seen_s: float | None = None
        self._fault: tuple[int, str] | None = None
        """Close code and reason for what came the short way and was wrong."""
        self.closed = False

    # What the call does with the connection.

    def send_frame(self, frame: bytes) -> None:
        """One 20 ms frame of 16 kHz audio."""
        self._send_audio(self._encoder.encode(frame))

    def end_of_speech(self) -> None:
        self._send_audio(self._encoder.flush())

    def clear(self) -> None:
        """Drop audio that was not handed to the network; messages stay."""
        if self._audio_waiting:
            kept = [item for item in self._out if isinstance(item, str)]
            self._out.clear()
            self._out.extend(kept)
            self._audio_waiting = 0
        self._encoder.flush()

    def send_message(self, message: Mapping[str, Any]) -> None:
        """A client message, unwrapped."""
        if not self.closed:
            self._put(_encode(message).decode())

    async def close(self, code: int, reason: str, grace_s: float) -> None:
        """Send what waits (for at most ``grace_s``), then close. Safe to call twice, and after the client has gone."""
        if self.closed:
            return
        try:
            async with asyncio.timeout(grace_s):
                await self._drained.wait()
        except TimeoutError:
            self._out.clear()
        if self.closed:
            return
        self.closed = True
        try:
            async with asyncio.timeout(grace_s):
                await self._socket.close(code, _close_reason(reason))
        except (TimeoutError, OSError, RuntimeError):
            return

    # The two tasks.

    async def read(self) -> None:
        """Take messages until the client goes or is sent away."""
        self._socket.deliver(self.take_directly)
        while True:
            message = await self._socket.receive()
            if message is None:
                await self._parting()
                self._gone("the client closed the connection")
                return
            fault = self._fault or (self._take_text(message) if isinstance(message, str) else self._take_audio(message))
            if fault is not None:
                code, reason = fault
                self._receiver.warned("transport-refused", reason)
                self._out.clear()
                self._drained.set()
                await self.close(code, reason, 1.0)
                self._gone(reason)
                return

    async def write(self) -> None:
        """Send what waits, in order, as fast as the client reads."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._out and not self.closed:
                item = self._out.popleft()
                try:
                    if isinstance(item, str):
                        await self._socket.send_text(item)
                    else:
                        self._audio_waiting = max(0, self._audio_waiting - 1)
                        await self._socket.send_bytes(item)
                except (OSError, RuntimeError):
                    self._out.clear()
                    self._gone("the connection broke while sending")
            self._drained.set()

    def take_directly(self, data: bytes) -> bool:
        """Audio at the moment it arrives. What is wrong with it is for ``read``, which can send the client away."""
        if self._fault is None and not self.closed:
            self._fault = self._take_audio(data)
        return self._fault is None

    def _take_text(self, text: str) -> tuple[int, str] | None:
        if len(text) > self._max_message_bytes:
            return 1009, f"message of {len(text)} characters; at most {self._max_message_bytes} are taken"
        if not self._may_send_text():
            return 1008, f"more than {_TEXT_PER_S} text messages a second; send fewer"
        try:
            message = read_json(text)
        except UnreadableJson as error:
            self._receiver.warned("control-not-json", f"a text message was ignored: {error}")
            return None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            self._receiver.warned(
                "control-without-type", "a text message was ignored: it must be an object with a type"
            )
            return None
        self._receiver.control_arrived(message)
        return None

    def _may_send_text(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if self._text_seen_s is not None:
            grown = self._text_allowance + (now_s - self._text_seen_s) * _TEXT_PER_S
            self._text_allowance = min(float(_TEXT_BURST), grown)
        self._text_seen_s = now_s
        self._text_allowance -= 1
        return self._text_allowance >= 0

    def _take_audio(self, data: bytes) -> tuple[int, str] | None:
        if len(data) > self._max_message_bytes:
            return 1009, f"message of {len(data)} bytes; at most {self._max_message_bytes} are taken"
        if len(data) % self._format.sample_bytes:
            return 1007, f"{len(data)} bytes are no whole number of pcm_s16le samples (2 bytes each)"
        if not self._heard_anything and data:
            self._heard_anything = True
            for magic, kind in _CONTAINERS.items():
                if data.startswith(magic):
                    return 1003, f"audio must be raw {self._format.encoding}, not {kind}"
        for frame in self._framer.push(self._decoder.decode(data)):
            if not self.intake.push(frame):
                ahead_s = self.intake.waiting * FRAME_MS // 1000
                return 1008, f"audio is more than {ahead_s} s ahead of real time; send it at the speed of speech"
        self._receiver.audio_arrived()
        return None

    def _send_audio(self, data: bytes) -> None:
        if not data or self.closed:
            return
        if self._audio_waiting >= self._send_cap:
            self._out.clear()
            self._audio_waiting = 0
            self._gone("the client does not read what it is sent")
            return
        self._put(data)

    def _put(self, item: bytes | str) -> None:
        if self._drained.is_set() and self._socket.send_now(item):
            return
        if isinstance(item, bytes):
            self._audio_waiting += 1
        self._out.append(item)
        self._drained.clear()
        self._work.set()

    def _gone(self, detail: str) -> None:
        if self._reported_gone:
            return
        self._reported_gone = True
        self.closed = True
        self._drained.set()
        self._receiver.transport_closed(detail)


def _close_reason(reason: str) -> str:
    """RFC 6455 allows 123 bytes of UTF-8."""
    return reason.encode()[:123].decode(errors="ignore")

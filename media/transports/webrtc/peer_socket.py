"""A browser's peer connection as the media tier's ``CallSocket``: RTP is its sound, a data channel its text."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

from aiortc import RTCDataChannel

from media.transports.webrtc.incoming import IncomingSpeech
from media.transports.webrtc.outgoing import OutgoingSpeech
from media.transports.webrtc.settings import WebRtcSettings

_log = logging.getLogger(__name__)
_NORMAL = 1000


class PeerSocket:
    """See ``domain.live_calls.CallSocket``. ``receive`` never gives sound: that goes the short way, or nowhere.

    Text before the data channel is open waits for it. A fault that would close a WebSocket with a code is told as the
    last message, ``{"type": "error", "code", "message"}``.
    """

    def __init__(self, settings: WebRtcSettings) -> None:
        self._settings = settings
        self._take: Callable[[bytes], bool] | None = None
        self._inbox: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self._channel: RTCDataChannel | None = None
        self._early: list[str] = []
        self._over = False
        self._told = asyncio.Event()
        self.incoming = IncomingSpeech(self._speech_arrived)
        self.outgoing = OutgoingSpeech()
        self.channel_open = asyncio.Event()

    # From the peer connection.

    def use_channel(self, channel: RTCDataChannel) -> None:
        """The data channel that the browser made; a second one is closed."""
        if self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = 0
        channel.on("message", self._message_arrived)
        channel.on("close", lambda: self.gone("the data channel was closed"))
        channel.on("bufferedamountlow", self._told.set)
        self.channel_open.set()
        for text in self._early:
            channel.send(text)
        self._early.clear()

    def gone(self, reason: str) -> None:
        """The browser has left. Safe to call twice."""
        if not self._over:
            self._over = True
            _log.info("webrtc.gone", extra={"reason": reason})
            self._inbox.put_nowait(None)

    def _speech_arrived(self, audio: bytes) -> None:
        if self._over or self._take is None:
            return
        if not self._take(audio):
            # Its reader closes the call as soon as it looks.
            self._inbox.put_nowait(audio)

    def _message_arrived(self, message: bytes | str) -> None:
        if self._over:
            return
        if isinstance(message, bytes):
            self._refuse(1003, "the data channel takes JSON text; sound goes over the audio track")
        elif self._inbox.qsize() >= self._settings.inbox_cap:
            self._refuse(1008, f"more than {self._settings.inbox_cap} messages at once; send fewer")
        else:
            self._inbox.put_nowait(message)

    def _refuse(self, code: int, reason: str) -> None:
        self._tell(code, reason)
        self.gone(reason)

    # CallSocket.

    def deliver(self, take: Callable[[bytes], bool]) -> None:
        """Sound goes to ``take`` from now on."""
        self._take = take

    def send_now(self, data: bytes | str) -> bool:
        """Always sent, or dropped because the browser has gone."""
        if self._over:
            return True
        if isinstance(data, bytes):
            self.outgoing.push(data)
        elif self._channel is None:
            self._early.append(data)
        elif self._channel.readyState == "open":
            if self._channel.bufferedAmount > self._settings.channel_cap_bytes:
                self.gone("the browser does not read its messages")
                return True
            self._told.clear()
            self._channel.send(data)
        return True

    async def receive(self) -> bytes | str | None:
        """The next message; ``None`` when the browser has gone."""
        return await self._inbox.get()

    async def send_bytes(self, data: bytes) -> None:
        """One piece of sound."""
        self.send_now(data)

    async def send_text(self, text: str) -> None:
        """One message."""
        self.send_now(text)

    async def close(self, code: int, reason: str) -> None:
        """Let the last words and messages out, say why where it was no normal end, and take nothing any more."""
        if self._over:
            return
        if code != _NORMAL:
            self._tell(code, reason)
        try:
            async with asyncio.timeout(self._settings.closing_s):
                await self.outgoing.drained()
                if self._channel is not None and self._channel.bufferedAmount:
                    await self._told.wait()
        except TimeoutError:
            _log.info("webrtc.closed_early", extra={"reason": reason})
        self.gone(reason)

    def _tell(self, code: int, reason: str) -> None:
        self.send_now(json.dumps({"type": "error", "code": code, "message": reason}))

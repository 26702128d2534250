"""What a browser does to hold a call, without a browser: the other half of an aiortc connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.transports.webrtc.incoming import IncomingSpeech
from media.transports.webrtc.outgoing import OutgoingSpeech
from tests.patience import PATIENCE_S

LOOPBACK = "127.0.0.1"


class Browser:
    """``heard`` is all the sound that came, ``messages`` all that was told; ``speech`` is the microphone."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.messages: list[dict[str, Any]] = []
        self.speech = OutgoingSpeech()
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTrack(self.speech)
        self.channel = self.connection.createDataChannel("client-messages")
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self._news = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()
        self._incoming = IncomingSpeech(self._hear)
        (transceiver,) = self.connection.getTransceivers()
        self._incoming.take_over(transceiver.receiver)
        self.channel.on("open", self.opened.set)
        self.channel.on("close", self.closed.set)
        self.channel.on("message", self._read)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        async with asyncio.timeout(PATIENCE_S):
            await self.opened.wait()

    def tell(self, message: dict[str, Any]) -> None:
        self.channel.send(json.dumps(message))

    async def has_heard(self, count: int) -> bytes:
        """Wait for so many bytes of sound."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: len(self.heard) >= count)
        return bytes(self.heard)

    async def is_told(self, kind: str) -> dict[str, Any]:
        """Wait for a message of this type."""
        return await self.has_been_told(lambda message: message["type"] == kind)

    async def has_been_told(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for such a message."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: any(wanted(message) for message in self.messages))
        return next(message for message in self.messages if wanted(message))

    async def close(self) -> None:
        await self.connection.close()
        self._incoming.close()

    def _hear(self, audio: bytes) -> None:
        self.heard += audio
        self._notify()

    def _read(self, message: str) -> None:
        self.messages.append(json.loads(message))
        self._notify()

    def _notify(self) -> None:
        task = asyncio.get_running_loop().create_task(self._announce())
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    async def _announce(self) -> None:
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A browser that leaves with the block, if it has not before."""
    opened = Browser()
    try:
        yield opened
    finally:
        await opened.close()

"""The tenant's own transcriber behind a WebSocket URL (``transcriber.provider: "custom-transcriber"``).

First a ``start`` message, then audio of two channels (the caller's on the left, silence on the right: what the
assistant says is known), back come ``transcriber-response`` messages:
https://docs.vapi.ai/customization/custom-transcriber.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import numpy as np

from domain.egress import EgressBlocked
from media.egress.websocket import ClientConnection, ConnectionClosedOK, GuardedSockets
from media.providers.errors import ProviderError
from media.providers.live_recognition import RecognitionLimits, recognising
from media.providers.sockets import Sockets
from media.providers.speech_to_text import Final as FinalText
from media.providers.speech_to_text import Partial, TranscriberTraits, TranscriptFact, TranscriptionStream
from media.providers.tenant import headers_of, server_of
from media.tools.tenant_servers import TenantServers

PROVIDER: Final = "custom-transcriber"
TRAITS: Final = TranscriberTraits(p99_ms=1_000.0)
LIMITS: Final = RecognitionLimits()
_START: Final = {"type": "start", "encoding": "linear16", "container": "raw", "sampleRate": 16_000, "channels": 2}
_SILENCE: Final = bytes(640)


class CustomTranscriber:
    """One assistant's transcriber, at whatever address ``guarded`` lets it be."""

    def __init__(
        self, sockets: Sockets, guarded: GuardedSockets, configuration: Mapping[str, Any], servers: TenantServers
    ) -> None:
        """Raises ``ProviderError`` (``not-configured``) without a server URL."""
        self._sockets = sockets
        self._guarded = guarded
        self._server = server_of(configuration, PROVIDER, "transcriber")
        self._servers = servers
        self._connected = 0

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> TranscriberTraits:
        return TRAITS

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[TranscriptionStream, None]:
        """Raises ``ProviderError`` where the server cannot be reached or refuses."""
        self._connected += 1
        server, source = self._server, f"transcriber.{self._connected}"
        headers = await headers_of(
            self._servers, server, PROVIDER, "transcriber", source=source, body=b"", method="GET"
        )
        try:
            connection = await self._guarded.connection(server.url, headers)
        except EgressBlocked as error:
            raise ProviderError(PROVIDER, "transcriber", "bad-request", str(error)) from error
        except (OSError, TimeoutError) as error:
            raise ProviderError(PROVIDER, "transcriber", "failed", "the host has no address") from error
        sockets = self._sockets
        async with sockets.opened(connection, "transcriber") as socket:
            try:
                await socket.send(msgspec.json.encode(_START).decode())
            except sockets.errors as error:
                raise sockets.failure(error, "transcriber") from error
            async with recognising(_Wire(socket), sockets, PROVIDER, LIMITS) as stream:
                yield stream


class _Wire:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, pcm: bytes) -> None:
        await self._socket.send(_left_channel(pcm))

    async def finalize(self) -> None:
        """The protocol has no such message."""

    async def keep_alive(self) -> None:
        await self.send(_SILENCE)

    async def receive(self) -> AsyncIterator[Sequence[TranscriptFact]]:
        try:
            while True:
                yield facts_of(msgspec.json.decode(await self._socket.recv()))
        except ConnectionClosedOK:
            return


def facts_of(message: dict[str, Any]) -> Sequence[TranscriptFact]:
    """What one message says; what it says of the assistant's channel is passed over. No type means final."""
    if message.get("type") != "transcriber-response" or message.get("channel", "customer") != "customer":
        return ()
    text = str(message.get("transcription") or "").strip()
    if not text:
        return ()
    return (Partial(text),) if message.get("transcriptType") == "partial" else (FinalText(text),)


def _left_channel(pcm: bytes) -> bytes:
    both = np.zeros((len(pcm) // 2, 2), "<i2")
    both[:, 0] = np.frombuffer(pcm, "<i2")
    return both.tobytes()

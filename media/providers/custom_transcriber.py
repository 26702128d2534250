"""The tenant's own transcriber behind a WebSocket URL (``transcriber.provider: "custom-transcriber"``).

First a ``start`` message, then audio of two channels (the caller's on the left, silence on the right: what the
assistant says is known), back come ``transcriber-response`` messages:
https://docs.vapi.ai/customization/custom-transcriber.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK

from domain.egress import Address, EgressBlocked, EgressPolicy, check_url
from media.providers.errors import ProviderError
from media.providers.live_recognition import RecognitionLimits, recognising
from media.providers.sockets import Sockets
from media.providers.speech_to_text import Final as FinalText
from media.providers.speech_to_text import Partial, TranscriberTraits, TranscriptFact, TranscriptionStream
from media.providers.tenant_server import TenantServer

PROVIDER: Final = "custom-transcriber"
TRAITS: Final = TranscriberTraits(p99_ms=1_000.0)
LIMITS: Final = RecognitionLimits()
DEFAULT_TIMEOUT_S: Final = 20.0
_LONGEST_MESSAGE: Final = 1 << 20
_START: Final = {"type": "start", "encoding": "linear16", "container": "raw", "sampleRate": 16_000, "channels": 2}
_SILENCE: Final = bytes(640)

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Addresses of a host, in order of preference. Raises ``OSError``."""


class CustomTranscriber:
    """One assistant's transcriber. Its URL is resolved once and only an address that ``policy`` allows is connected."""

    def __init__(
        self, sockets: Sockets, policy: EgressPolicy, resolve: Resolve, configuration: Mapping[str, Any]
    ) -> None:
        """Raises ``ProviderError`` (``not-configured``) without a server URL."""
        self._sockets = sockets
        self._policy = policy
        self._resolve = resolve
        self._server = TenantServer.of(configuration, PROVIDER, "transcriber", DEFAULT_TIMEOUT_S)

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> TranscriberTraits:
        return TRAITS

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[TranscriptionStream, None]:
        """Raises ``ProviderError`` where the server cannot be reached or refuses."""
        try:
            connection = await self._connection()
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

    async def _connection(self) -> AbstractAsyncContextManager[ClientConnection]:
        url = self._server.url
        parts = check_url("http" + url[2:] if url[:2].lower() == "ws" else url)
        host, tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        addresses = await self._resolve(host, port)
        for address in addresses:
            self._policy.check(host, address)
        if not addresses:
            raise OSError(f"{host} has no address")
        return connect(
            parts._replace(scheme="wss" if tls else "ws").geturl(),
            host=str(addresses[0]),
            port=port,
            server_hostname=host if tls else None,
            additional_headers=self._server.headers,
            max_size=_LONGEST_MESSAGE,
            compression=None,
            proxy=None,
        )


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

"""Deepgram's voices over WebSocket, https://developers.deepgram.com/reference/text-to-speech/speak-streaming.

A connection says one text after the other and is kept for the next one, of whichever call. One whose text is given up
is told to clear, and kept once the vendor says that it has: audio that was under way until then reaches nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final

from deepgram.speak.v1.socket_client import AsyncV1SocketClient
from deepgram.speak.v1.types.speak_v1text import SpeakV1Text

from media.providers.deepgram_access import PROVIDER, DeepgramAccess
from media.providers.errors import ProviderError
from media.providers.speech_samples import RATE_HZ, SpeechSamples
from media.providers.text_to_speech import AudioChunk, VoiceFact, VoiceTraits

TRAITS: Final = VoiceTraits(word_times=False, p99_ms=350.0)
_DEFAULT_VOICE: Final = "thalia"
_IDLE_CONNECTIONS: Final = 8
"""Kept of one voice; more are closed when their text has been said."""
_CLEAR_S: Final = 2.0
"""How long the vendor may take to clear; a connection that takes longer is closed."""


class SpeakConnections:
    """The open connections of every voice. Close them after the last call."""

    def __init__(self, access: DeepgramAccess) -> None:
        self._access = access
        self._idle: dict[str, list[_Connection]] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._clearing: set[asyncio.Task[None]] = set()

    def warm(self, model: str) -> None:
        """Open a connection for a voice that is about to speak, unless one waits already."""
        if not self._idle.get(model) and model not in self._opening:
            task = asyncio.create_task(self._open_ahead(model))
            self._opening[model] = task
            task.add_done_callback(lambda _: self._opening.pop(model, None))

    async def take(self, model: str) -> _Connection:
        """One that waits, else a new one. Raises ``ProviderError``."""
        if (opening := self._opening.get(model)) is not None and not self._idle.get(model):
            await asyncio.shield(opening)
        idle = self._idle.get(model)
        return idle.pop() if idle else await self._open(model)

    async def give_back(self, model: str, connection: _Connection) -> None:
        """Its text has been said."""
        idle = self._idle.setdefault(model, [])
        if len(idle) < _IDLE_CONNECTIONS:
            connection.kept = True
            idle.append(connection)
        else:
            await connection.close()

    def give_up(self, model: str, connection: _Connection) -> None:
        """Nobody wants the rest of its text."""
        task = asyncio.create_task(self._clear(model, connection))
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def close(self) -> None:
        """After the last call."""
        await asyncio.gather(*self._clearing)
        for task in list(self._opening.values()):
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        for connections in self._idle.values():
            for connection in connections:
                await connection.close()
        self._idle.clear()

    async def _clear(self, model: str, connection: _Connection) -> None:
        try:
            async with asyncio.timeout(_CLEAR_S):
                await connection.clear()
        except (TimeoutError, ProviderError):
            # It is worth nothing to the next text, which opens another.
            await connection.close()
        else:
            await self.give_back(model, connection)

    async def _open_ahead(self, model: str) -> None:
        try:
            connection = await self._open(model)
        except ProviderError:
            # Whoever needs a connection opens one and is told what is wrong.
            return
        connection.kept = True
        self._idle.setdefault(model, []).append(connection)

    async def _open(self, model: str) -> _Connection:
        stack = AsyncExitStack()
        manager = self._access.client.speak.v1.connect(model=model, encoding="linear16", sample_rate=RATE_HZ)
        socket = await stack.enter_async_context(self._access.sockets.opened(manager, "voice"))
        return _Connection(socket, stack, self._access)


class _Connection:
    def __init__(self, socket: AsyncV1SocketClient, stack: AsyncExitStack, access: DeepgramAccess) -> None:
        self._socket = socket
        self._stack = stack
        self._access = access
        self.kept = False
        """It waited for its text: the vendor may have closed it meanwhile."""

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """The audio of a text. Raises ``ProviderError``."""
        try:
            await self._socket.send_text(SpeakV1Text(text=text))
            await self._socket.send_flush()
            async for message in self._socket:
                if isinstance(message, bytes):
                    yield message
                elif getattr(message, "type", None) == "Flushed":
                    return
                elif getattr(message, "type", None) == "Error":
                    raise ProviderError(PROVIDER, "voice", "failed", "reported an error")
        except self._access.sockets.errors as error:
            raise self._access.sockets.failure(error, "voice") from error
        raise ProviderError(PROVIDER, "voice", "failed", "the vendor closed the connection")

    async def clear(self) -> None:
        """Have the vendor forget its text, and read past what was under way. Raises ``ProviderError``."""
        try:
            await self._socket.send_clear()
            async for message in self._socket:
                if getattr(message, "type", None) == "Cleared":
                    return
        except self._access.sockets.errors as error:
            raise self._access.sockets.failure(error, "voice") from error
        raise ProviderError(PROVIDER, "voice", "failed", "the vendor closed the connection")

    async def close(self) -> None:
        await self._stack.aclose()


class DeepgramSpeak:
    """One assistant's voice. ``configuration`` is the assistant's ``voice`` object."""

    def __init__(self, connections: SpeakConnections, configuration: Mapping[str, Any]) -> None:
        self._connections = connections
        self._model = model_name(configuration)

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> VoiceTraits:
        return TRAITS

    def warm(self) -> None:
        """The call is about to begin."""
        self._connections.warm(self._model)

    async def synthesize(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        """See ``TextToSpeech``. A connection that turns out to be closed before it said anything is replaced once."""
        while True:
            connection = await self._connections.take(self._model)
            spoke = settled = False
            samples = SpeechSamples(RATE_HZ)
            try:
                async with aclosing(connection.speak(text)) as pieces:
                    async for piece in pieces:
                        spoke = True
                        if pcm := samples.take(piece):
                            yield AudioChunk(pcm)
                settled = True
                await self._connections.give_back(self._model, connection)
            except ProviderError:
                settled = True
                await connection.close()
                if spoke or not connection.kept:
                    raise
                continue
            finally:
                if not settled:
                    self._connections.give_up(self._model, connection)
            return


def model_name(configuration: Mapping[str, Any]) -> str:
    """``aura-2-thalia-en`` from Vapi's ``model`` and ``voiceId``; a voice id that is a whole name stays as it is."""
    voice = str(configuration.get("voiceId") or _DEFAULT_VOICE)
    if voice.startswith("aura"):
        return voice
    model = str(configuration.get("model") or "aura-2")
    return f"{model}-{voice}-en"

"""OpenAI's streaming transcription, https://platform.openai.com/docs/guides/realtime-transcription.

The vendor's own turn detection is off: our voice activity detection hears the end of speech and commits what was said.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import numpy as np
import openai
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from media.audio.formats import RateConverter
from media.providers.errors import ProviderError
from media.providers.live_recognition import RecognitionLimits, recognising
from media.providers.openai_chat import PROVIDER
from media.providers.sockets import Sockets
from media.providers.speech_to_text import Final as FinalText
from media.providers.speech_to_text import Partial, TranscriberTraits, TranscriptFact, TranscriptionStream

TRAITS: Final = TranscriberTraits(needs_finalize=True, p99_ms=900.0)
LIMITS: Final = RecognitionLimits(keep_alive_s=30.0)
DEFAULT_MODEL: Final = "gpt-4o-mini-transcribe"
_RATE_HZ: Final = 24_000
_EMPTY: Final = "input_audio_buffer_commit_empty"
"""The vendor's code for a commit of less audio than it takes: nothing was said."""


class OpenAiListen:
    """One assistant's transcriber over a shared client. ``configuration`` is its ``transcriber`` object."""

    def __init__(self, client: openai.AsyncOpenAI, sockets: Sockets, configuration: Mapping[str, Any]) -> None:
        self._client = client
        self._sockets = sockets
        self._transcription = {"model": str(configuration.get("model") or DEFAULT_MODEL)}
        language = configuration.get("language")
        if isinstance(language, str) and language != "multi":
            self._transcription["language"] = language

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> TranscriberTraits:
        return TRAITS

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[TranscriptionStream, None]:
        """Raises ``ProviderError`` where the vendor cannot be reached or refuses."""
        connection = self._client.realtime.connect(
            extra_query={"intent": "transcription"}, websocket_connection_options={"compression": None}
        )
        sockets = self._sockets
        async with sockets.opened(connection, "transcriber") as socket:
            wire = _Wire(socket)
            try:
                await wire.begin(self._transcription)
            except sockets.errors as error:
                raise sockets.failure(error, "transcriber") from error
            async with recognising(wire, sockets, PROVIDER, LIMITS) as stream:
                yield stream


class _Wire:
    def __init__(self, socket: AsyncRealtimeConnection) -> None:
        self._socket = socket
        self._rate = RateConverter(16_000, _RATE_HZ)
        self._pieces: dict[str, str] = {}

    async def begin(self, transcription: Mapping[str, str]) -> None:
        audio = {
            "format": {"type": "audio/pcm", "rate": _RATE_HZ},
            "transcription": dict(transcription),
            "turn_detection": None,
        }
        await self._send({"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio}}})

    async def send(self, pcm: bytes) -> None:
        samples = self._rate.convert(np.frombuffer(pcm, "<i2"))
        audio = base64.b64encode(samples.tobytes()).decode()
        await self._send({"type": "input_audio_buffer.append", "audio": audio})

    async def finalize(self) -> None:
        await self._send({"type": "input_audio_buffer.commit"})

    async def keep_alive(self) -> None:
        """The vendor keeps a session of its own accord."""

    async def receive(self) -> AsyncIterator[Sequence[TranscriptFact]]:
        while True:
            yield self.facts_of(msgspec.json.decode(await self._socket.recv_bytes()))

    def facts_of(self, message: dict[str, Any]) -> Sequence[TranscriptFact]:
        """What one message says. Raises ``ProviderError`` where the vendor gives up."""
        match message["type"]:
            case "conversation.item.input_audio_transcription.delta":
                text = self._pieces[message["item_id"]] = self._pieces.get(message["item_id"], "") + message["delta"]
                return (Partial(text.strip()),) if text.strip() else ()
            case "conversation.item.input_audio_transcription.completed":
                self._pieces.pop(message["item_id"], None)
                return (FinalText(message["transcript"].strip()),)
            case "conversation.item.input_audio_transcription.failed":
                self._pieces.pop(message["item_id"], None)
                return (FinalText(""),)
            case "error":
                code = str(message["error"].get("code") or message["error"].get("type"))
                if code == _EMPTY:
                    return (FinalText(""),)
                raise ProviderError(PROVIDER, "transcriber", "failed", f"reported {code[:60]}")
        return ()

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_raw(msgspec.json.encode(message).decode())

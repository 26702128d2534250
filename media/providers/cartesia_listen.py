"""Cartesia's transcription with turns, https://docs.cartesia.ai/api-reference/stt: the model decides when they end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from cartesia.resources.stt.auto_finalize import AsyncAutoFinalizeResourceConnection

from media.providers.cartesia_access import PROVIDER, CartesiaAccess
from media.providers.errors import ProviderError, category_of_status
from media.providers.live_recognition import RecognitionLimits, recognising
from media.providers.speech_to_text import (
    EagerEndOfTurn,
    EndOfTurn,
    Partial,
    TranscriberTraits,
    TranscriptFact,
    TranscriptionStream,
    TurnResumed,
)
from media.providers.speech_to_text import Final as FinalText

TRAITS: Final = TranscriberTraits(native_end_of_turn=True, p99_ms=500.0)
LIMITS: Final = RecognitionLimits()
DEFAULT_MODEL: Final = "ink-2"
_SILENCE: Final = bytes(32 * 80)


class CartesiaListen:
    """One assistant's transcriber. ``configuration`` is the assistant's ``transcriber`` object."""

    def __init__(self, access: CartesiaAccess, configuration: Mapping[str, Any]) -> None:
        self._access = access
        self._model = str(configuration.get("model") or DEFAULT_MODEL)

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> TranscriberTraits:
        return TRAITS

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[TranscriptionStream, None]:
        """Raises ``ProviderError`` where the vendor cannot be reached or refuses."""
        connection = self._access.client.stt.auto_finalize.websocket(
            model=self._model,
            encoding="pcm_s16le",
            sample_rate=16_000,
            websocket_connection_options={"compression": None},
        )
        sockets = self._access.sockets
        async with (
            sockets.opened(connection, "transcriber") as socket,
            recognising(_Wire(socket), sockets, PROVIDER, LIMITS) as stream,
        ):
            yield stream


class _Wire:
    def __init__(self, socket: AsyncAutoFinalizeResourceConnection) -> None:
        self._socket = socket

    async def send(self, pcm: bytes) -> None:
        await self._socket.send_raw(pcm)

    async def finalize(self) -> None:
        """The model decides turns from the audio that goes on: nothing is asked for."""

    async def keep_alive(self) -> None:
        await self._socket.send_raw(_SILENCE)

    async def receive(self) -> AsyncIterator[Sequence[TranscriptFact]]:
        while True:
            yield facts_of(msgspec.json.decode(await self._socket.recv_bytes()))


def facts_of(message: dict[str, Any]) -> Sequence[TranscriptFact]:
    """What one message says. Raises ``ProviderError`` for the vendor's own error message."""
    text = str(message.get("transcript") or "").strip()
    partial = (Partial(text),) if text else ()
    match message.get("type"):
        case "turn.start" | "turn.update":
            return partial
        case "turn.eager_end":
            return (*partial, EagerEndOfTurn(text))
        case "turn.resume":
            return (TurnResumed(), *partial)
        case "turn.end" if text:
            return (FinalText(text), EndOfTurn())
        case "error":
            status = message.get("status_code")
            category = category_of_status(status) if isinstance(status, int) and status >= 400 else "failed"
            code = str(message.get("error_code") or status)
            raise ProviderError(PROVIDER, "transcriber", category, f"reported {code[:60]}")
    return ()

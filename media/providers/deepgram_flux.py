"""Deepgram's Flux models, https://developers.deepgram.com/docs/flux: transcription that decides turns itself.

They take no ``Finalize`` and no keep-alive. A turn's transcript grows with every update; ``EndOfTurn`` gives all of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from deepgram.listen.v2.socket_client import AsyncV2SocketClient

from media.providers.deepgram_access import PROVIDER, DeepgramAccess
from media.providers.deepgram_listen import spoken_language
from media.providers.errors import ProviderError
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
LIMITS: Final = RecognitionLimits(silent_s=10.0)
MODELS: Final = "flux"
"""What the names of these models begin with."""
_SILENCE_MS: Final = 80
_SILENCE: Final = bytes(32 * _SILENCE_MS)


class DeepgramFlux:
    """One assistant's transcriber. ``configuration`` is the assistant's ``transcriber`` object."""

    def __init__(self, access: DeepgramAccess, configuration: Mapping[str, Any]) -> None:
        self._access = access
        self._options = options(configuration)

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> TranscriberTraits:
        return TRAITS

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[TranscriptionStream, None]:
        """Raises ``ProviderError`` where the vendor cannot be reached or refuses."""
        connection = self._access.client.listen.v2.connect(**self._options)
        sockets = self._access.sockets
        async with (
            sockets.opened(connection, "transcriber") as socket,
            recognising(_Wire(socket), sockets, PROVIDER, LIMITS) as stream,
        ):
            yield stream


def options(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The query of the connection. Eager ends of turns are asked for only where ``eagerEotThreshold`` is set."""
    chosen: dict[str, Any] = {
        "model": str(configuration["model"]),
        "encoding": "linear16",
        "sample_rate": 16_000,
    }
    for name, theirs in _NUMBERS.items():
        value = configuration.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            chosen[theirs] = value
    if isinstance(configuration.get("mipOptOut"), bool):
        chosen["mip_opt_out"] = configuration["mipOptOut"]
    terms = configuration.get("keyterm")
    if isinstance(terms, list) and terms:
        chosen["keyterm"] = [term for term in terms if isinstance(term, str)]
    listed = configuration.get("languages")
    languages = listed if isinstance(listed, list) and listed else [configuration.get("language")]
    hints = [language for language in languages if isinstance(language, str) and language != "multi"]
    if hints and chosen["model"].endswith("multi"):
        chosen["language_hint"] = hints
    return chosen


_NUMBERS: Final = {
    "eotThreshold": "eot_threshold",
    "eotTimeoutMs": "eot_timeout_ms",
    "eagerEotThreshold": "eager_eot_threshold",
}


class _Wire:
    def __init__(self, socket: AsyncV2SocketClient) -> None:
        self._socket = socket

    async def send(self, pcm: bytes) -> None:
        await self._socket.send_media(pcm)

    async def finalize(self) -> None:
        """The model decides turns from the audio that goes on: nothing is asked for."""

    async def keep_alive(self) -> None:
        await self._socket.send_media(_SILENCE)

    async def receive(self) -> AsyncIterator[Sequence[TranscriptFact]]:
        async for message in self._socket:
            yield facts_of(message)


def facts_of(message: Any) -> Sequence[TranscriptFact]:
    """What one message says. Raises ``ProviderError`` for the vendor's own error message."""
    kind = getattr(message, "type", None)
    if kind == "Error":
        code = str(getattr(message, "code", None) or "unknown")
        raise ProviderError(PROVIDER, "transcriber", "failed", f"reported an error: {code[:60]}")
    if kind != "TurnInfo":
        return ()
    text = (message.transcript or "").strip()
    partial = (Partial(text),) if text else ()
    match message.event:
        case "StartOfTurn" | "Update":
            return partial
        case "EagerEndOfTurn":
            return (*partial, EagerEndOfTurn(text))
        case "TurnResumed":
            return (TurnResumed(), *partial)
        case "EndOfTurn" if text:
            return (FinalText(text, _confidence(message), language=spoken_language(message)), EndOfTurn())
    return ()


def _confidence(message: Any) -> float | None:
    """The words' confidences, averaged: the vendor gives none of the whole."""
    known = [word.confidence for word in message.words or () if isinstance(word.confidence, int | float)]
    return sum(known) / len(known) if known else None

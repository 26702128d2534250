"""Deepgram's streaming transcription, https://developers.deepgram.com/reference/speech-to-text/listen-streaming.

The vendor cuts what it hears into fragments at pauses (``endpointing``); whether a turn is over is the call's own
decision. When our voice activity detection hears the end of speech before the vendor has said its last word on it,
``Finalize`` makes it do so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from deepgram.listen.v1.socket_client import AsyncV1SocketClient

from media.providers.deepgram_access import PROVIDER, DeepgramAccess
from media.providers.errors import ProviderError
from media.providers.live_recognition import RecognitionLimits, recognising
from media.providers.speech_to_text import Final as FinalText
from media.providers.speech_to_text import Partial, TranscriberTraits, TranscriptFact, TranscriptionStream, Word

TRAITS: Final = TranscriberTraits(p99_ms=350.0, word_times=True)
LIMITS: Final = RecognitionLimits(keep_alive_s=4.0, silent_s=10.0)
"""The vendor hangs up after 10 s without audio or keep-alive, and reports silence every few seconds."""
DEFAULT_MODEL: Final = "nova-2"
_ENDPOINTING_MS: Final = 10
_UTTERANCE_END_MS: Final = 1_000
_KEYTERM_MODELS: Final = ("nova-3",)


class DeepgramListen:
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
        connection = self._access.client.listen.v1.connect(**self._options)
        sockets = self._access.sockets
        async with (
            sockets.opened(connection, "transcriber") as socket,
            recognising(_Wire(socket), sockets, PROVIDER, LIMITS) as stream,
        ):
            yield stream


def options(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The query of the connection, from Vapi's names to the vendor's."""
    model = str(configuration.get("model") or DEFAULT_MODEL)
    pause = configuration.get("endpointing")
    chosen: dict[str, Any] = {
        "model": model,
        "encoding": "linear16",
        "sample_rate": 16_000,
        "channels": 1,
        "interim_results": True,
        "punctuate": True,
        "endpointing": int(pause) if isinstance(pause, int | float) and pause else _ENDPOINTING_MS,
        "utterance_end_ms": _UTTERANCE_END_MS,
        "vad_events": True,
    }
    languages = configuration.get("languages")
    if isinstance(languages, list) and len(languages) > 1:
        chosen["language"] = "multi"
    elif configuration.get("language"):
        chosen["language"] = str(configuration["language"])
    for name, theirs in _SWITCHES.items():
        if isinstance(configuration.get(name), bool):
            chosen[theirs] = configuration[name]
    if redaction := _texts(configuration, "redaction"):
        chosen["redact"] = redaction
    if model.startswith(_KEYTERM_MODELS):
        terms = [*_texts(configuration, "keyterm"), *(_bare(word) for word in _texts(configuration, "keywords"))]
        if terms:
            chosen["keyterm"] = terms
    elif keywords := _texts(configuration, "keywords"):
        chosen["keywords"] = keywords
    return chosen


_SWITCHES: Final = {
    "smartFormat": "smart_format",
    "numerals": "numerals",
    "profanityFilter": "profanity_filter",
    "mipOptOut": "mip_opt_out",
}


def _texts(configuration: Mapping[str, Any], name: str) -> list[str]:
    given = configuration.get(name)
    return [text for text in given if isinstance(text, str)] if isinstance(given, list) else []


def _bare(keyword: str) -> str:
    """A keyword without its boost, which the models with key terms do not know."""
    return keyword.partition(":")[0]


class _Wire:
    def __init__(self, socket: AsyncV1SocketClient) -> None:
        self._socket = socket

    async def send(self, pcm: bytes) -> None:
        await self._socket.send_media(pcm)

    async def finalize(self) -> None:
        await self._socket.send_finalize()

    async def keep_alive(self) -> None:
        await self._socket.send_keep_alive()

    async def receive(self) -> AsyncIterator[Sequence[TranscriptFact]]:
        async for message in self._socket:
            yield facts_of(message)


def facts_of(message: Any) -> Sequence[TranscriptFact]:
    """What one message says. Messages of types that the SDK does not know come as ``None`` and say nothing.

    Raises ``ProviderError`` for the vendor's own error message."""
    kind = getattr(message, "type", None)
    if kind == "Error":
        code = str(getattr(message, "code", None) or getattr(message, "variant", None) or "unknown")
        raise ProviderError(PROVIDER, "transcriber", "failed", f"reported an error: {code[:60]}")
    if kind != "Results":
        return ()
    best = message.channel.alternatives[0]
    text = (best.transcript or "").strip()
    if not text:
        return ()
    if not message.is_final:
        return (Partial(text),)
    words = tuple(_word(word) for word in best.words or ())
    return (FinalText(text, best.confidence, words, spoken_language(best)),)


def spoken_language(heard: Any) -> str:
    """The language that most of the words are in; only models for several languages say."""
    languages = getattr(heard, "languages", None)
    return str(languages[0]) if isinstance(languages, list) and languages else ""


def _word(word: Any) -> Word:
    return Word(word.punctuated_word or word.word, word.start * 1_000, word.end * 1_000, word.confidence)

"""Cartesia's voices: each text is a context on a connection that is shared and stays open."""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

from media.providers.cartesia_access import PROVIDER
from media.providers.cartesia_line import Lines, Message
from media.providers.errors import ProviderError
from media.providers.text_to_speech import AudioChunk, VoiceFact, VoiceTraits, WordTime

TRAITS: Final = VoiceTraits(word_times=True, p99_ms=250.0)
DEFAULT_MODEL: Final = "sonic-3"
_RATE_HZ: Final = 16_000
_NEXT_S: Final = 5.0
"""How long a text may be without any message of the vendor's."""


class CartesiaVoice:
    """One assistant's voice. ``configuration`` is the assistant's ``voice`` object."""

    def __init__(self, lines: Lines, configuration: Mapping[str, Any]) -> None:
        """Raises ``ProviderError`` (``not-configured``) without a voice id."""
        self._lines = lines
        self._request = request(configuration)

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> VoiceTraits:
        return TRAITS

    def warm(self) -> None:
        """The call is about to begin."""
        self._lines.warm()

    async def synthesize(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        """See ``TextToSpeech``. A connection that turns out to be closed before it said anything is replaced once."""
        positions = WordPositions(text)
        while True:
            line = await self._lines.take()
            used, line.used = line.used, True
            context_id = uuid4().hex
            spoke = done = False
            try:
                queue = await line.begin(context_id, {**self._request, "transcript": text})
                while not done:
                    try:
                        async with asyncio.timeout(_NEXT_S):
                            message = await queue.get()
                    except TimeoutError:
                        raise ProviderError(PROVIDER, "voice", "timeout", f"nothing for {_NEXT_S:g} s") from None
                    if isinstance(message, ProviderError):
                        raise message
                    done = message.get("type") == "done"
                    for fact in _facts(message, positions):
                        spoke = True
                        yield fact
            except ProviderError as error:
                if spoke or not used or error.category != "failed":
                    raise
                continue
            finally:
                line.end(context_id, cancel=not done)
            return


def request(configuration: Mapping[str, Any]) -> Message:
    """What every text of a voice is asked for with, from Vapi's names to the vendor's."""
    voice_id = configuration.get("voiceId")
    if not isinstance(voice_id, str) or not voice_id:
        raise ProviderError(PROVIDER, "voice", "not-configured", "voice.voiceId is missing: set it to a voice's id")
    asked: Message = {
        "model_id": str(configuration.get("model") or DEFAULT_MODEL),
        "voice": {"mode": "id", "id": voice_id},
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": _RATE_HZ},
        "language": str(configuration.get("language") or "en"),
        "add_timestamps": True,
        "max_buffer_delay_ms": 0,
        "continue": False,
    }
    generation = configuration.get("generationConfig")
    if isinstance(generation, Mapping):
        asked["generation_config"] = {
            name: generation[name] for name in ("speed", "volume") if isinstance(generation.get(name), int | float)
        }
    if isinstance(configuration.get("pronunciationDictId"), str):
        asked["pronunciation_dict_id"] = configuration["pronunciationDictId"]
    return asked


def _facts(message: Message, positions: WordPositions) -> Iterator[VoiceFact]:
    try:
        if message.get("type") == "chunk":
            yield AudioChunk(binascii.a2b_base64(message["data"]))
        elif message.get("type") == "timestamps":
            times = message["word_timestamps"]
            for word, start_s in zip(times["words"], times["start"], strict=True):
                if (found := positions.find(word)) is not None:
                    yield WordTime(*found, start_s * 1_000)
    except (KeyError, TypeError, ValueError) as error:
        detail = f"a message that cannot be read ({type(error).__name__})"
        raise ProviderError(PROVIDER, "voice", "failed", detail) from error


class WordPositions:
    """Where the words that a voice reports stand in the text it was given: in order, each behind the one before.

    A word that is not there as reported (a number that was spelt out) has no place and is passed over."""

    def __init__(self, text: str) -> None:
        self._text = text.casefold() if len(text.casefold()) == len(text) else text
        self._from = 0

    def find(self, word: str) -> tuple[int, int] | None:
        """First character and the one behind the last."""
        wanted = word.strip().casefold()
        start = self._text.find(wanted, self._from) if wanted else -1
        if start < 0:
            return None
        self._from = start + len(wanted)
        return start, self._from

"""OpenAI's voices, https://platform.openai.com/docs/api-reference/audio/createSpeech: audio streamed as it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import openai

from media.egress.client import HttpError
from media.providers.chat_stream import failure_of
from media.providers.errors import ProviderError
from media.providers.openai_chat import PROVIDER
from media.providers.speech_samples import SpeechSamples
from media.providers.text_to_speech import AudioChunk, VoiceFact, VoiceTraits

TRAITS: Final = VoiceTraits(word_times=False, p99_ms=900.0)
DEFAULT_MODEL: Final = "gpt-4o-mini-tts"
_DEFAULT_VOICE: Final = "alloy"
_RATE_HZ: Final = 24_000
_PIECE_BYTES: Final = 2 * 24 * 40
_NEXT_S: Final = 5.0
"""How long a text may be without any audio of it."""


class OpenAiVoice:
    """One assistant's voice over a shared client. ``configuration`` is the assistant's ``voice`` object."""

    def __init__(self, client: openai.AsyncOpenAI, configuration: Mapping[str, Any]) -> None:
        self._client = client
        self._request: dict[str, Any] = {
            "model": str(configuration.get("model") or DEFAULT_MODEL),
            "voice": str(configuration.get("voiceId") or _DEFAULT_VOICE),
            "response_format": "pcm",
        }
        if isinstance(configuration.get("instructions"), str):
            self._request["instructions"] = configuration["instructions"]
        if isinstance(configuration.get("speed"), int | float):
            self._request["speed"] = configuration["speed"]

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> VoiceTraits:
        return TRAITS

    async def synthesize(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        """See ``TextToSpeech``."""
        samples = SpeechSamples(_RATE_HZ)
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(_NEXT_S):
                    response = await stack.enter_async_context(
                        self._client.audio.speech.with_streaming_response.create(input=text, **self._request)
                    )
                pieces = aiter(response.iter_bytes(_PIECE_BYTES))
                while True:
                    async with asyncio.timeout(_NEXT_S):
                        piece = await anext(pieces, None)
                    if piece is None:
                        break
                    if pcm := samples.take(piece):
                        yield AudioChunk(pcm)
            if pcm := samples.end():
                yield AudioChunk(pcm)
        except TimeoutError:
            raise ProviderError(PROVIDER, "voice", "timeout", f"nothing for {_NEXT_S:g} s") from None
        except openai.OpenAIError as error:
            raise failure_of(PROVIDER, error, "voice") from error
        except HttpError as error:
            raise ProviderError(PROVIDER, "voice", "failed", f"the audio broke off ({type(error).__name__})") from error

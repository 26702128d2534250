"""The tenant's own voice behind a URL of the tenant's (``voice.provider: "custom-voice"``).

Every text is a ``voice-request``; the answer is raw s16le mono audio at the rate that was asked for, without a header,
whole or as it is made: https://docs.vapi.ai/customization/custom-voices/custom-tts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from domain.egress import EgressBlocked
from media.egress.client import HttpClient, HttpError, HttpTimeout, InvalidUrl
from media.providers.errors import ProviderError, category_of_status
from media.providers.speech_samples import SpeechSamples
from media.providers.tenant_server import TenantServer
from media.providers.text_to_speech import AudioChunk, VoiceFact, VoiceTraits

PROVIDER: Final = "custom-voice"
TRAITS: Final = VoiceTraits(word_times=False, p99_ms=1_000.0)
RATE_HZ: Final = 24_000
DEFAULT_TIMEOUT_S: Final = 20.0


class CustomVoice:
    """One assistant's voice. ``client`` is guarded against private addresses by who made it."""

    def __init__(
        self,
        client: HttpClient,
        configuration: Mapping[str, Any],
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Raises ``ProviderError`` (``not-configured``) without a server URL."""
        self._client = client
        self._server = TenantServer.of(configuration, PROVIDER, "voice", DEFAULT_TIMEOUT_S)
        self._now_ms = now_ms

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> VoiceTraits:
        return TRAITS

    async def synthesize(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        """See ``TextToSpeech``."""
        message = {"type": "voice-request", "text": text, "sampleRate": RATE_HZ, "timestamp": self._now_ms()}
        samples = SpeechSamples(RATE_HZ)
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._server.timeout_s):
                    response = await stack.enter_async_context(
                        self._client.stream(
                            "POST",
                            self._server.url,
                            json={"message": message},
                            headers=self._server.headers,
                            timeout=self._server.timeout_s,
                        )
                    )
                if response.status_code != 200:
                    status = response.status_code
                    category = category_of_status(status) if status >= 400 else "failed"
                    raise ProviderError(PROVIDER, "voice", category, f"HTTP {status}")
                kind = response.headers.get("content-type", "")
                if kind.startswith(("application/json", "text/")):
                    detail = f"answered {kind!r} where raw audio belongs"
                    raise ProviderError(PROVIDER, "voice", "failed", detail)
                async for piece in response.aiter_bytes():
                    if pcm := samples.take(piece):
                        yield AudioChunk(pcm)
            if pcm := samples.end():
                yield AudioChunk(pcm)
        except (TimeoutError, HttpTimeout):
            detail = f"nothing for {self._server.timeout_s:g} s"
            raise ProviderError(PROVIDER, "voice", "timeout", detail) from None
        except EgressBlocked as error:
            raise ProviderError(PROVIDER, "voice", "bad-request", str(error)) from error
        except (HttpError, InvalidUrl) as error:
            detail = f"the connection failed or broke off ({type(error).__name__})"
            raise ProviderError(PROVIDER, "voice", "failed", detail) from error

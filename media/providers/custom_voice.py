"""The tenant's own voice behind a URL of the tenant's (``voice.provider: "custom-voice"``).

Every text is a ``voice-request``; the answer is raw s16le mono audio at the rate that was asked for, without a header,
whole or as it is made: https://docs.vapi.ai/customization/custom-voices/custom-tts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec

from domain.egress import EgressBlocked
from media.egress.client import HttpClient, HttpError, HttpTimeout, InvalidUrl
from media.providers.errors import ProviderError, category_of_status, retry_after_s
from media.providers.speech_samples import SpeechSamples
from media.providers.tenant import Tenant, headers_of, server_of
from media.providers.text_to_speech import AudioChunk, VoiceFact, VoiceTraits

PROVIDER: Final = "custom-voice"
P99_MS: Final = 1_000.0
RATE_HZ: Final = 24_000


class CustomVoice:
    """One assistant's voice. ``client`` is guarded against private addresses by who made it."""

    def __init__(
        self,
        client: HttpClient,
        configuration: Mapping[str, Any],
        tenant: Tenant,
    ) -> None:
        """Raises ``ProviderError`` (``not-configured``) without a server URL."""
        self._client = client
        self._server = server_of(configuration, PROVIDER, "voice")
        self._tenant = tenant
        self._asked = 0

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> VoiceTraits:
        return VoiceTraits(word_times=False, p99_ms=P99_MS, first_audio_s=self._server.timeout_seconds)

    async def synthesize(self, text: str) -> AsyncGenerator[VoiceFact, None]:
        """See ``TextToSpeech``."""
        server, servers = self._server, self._tenant.servers
        own = {"type": "voice-request", "text": text, "sampleRate": RATE_HZ, "timestamp": servers.timestamp_ms()}
        body = msgspec.json.encode({"message": {**own, **self._tenant.facts()}})
        self._asked += 1
        source = f"voice-request.{self._asked}"
        samples = SpeechSamples(RATE_HZ)
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(server.timeout_seconds):
                    headers = await headers_of(
                        servers, server, PROVIDER, "voice", source=source, body=body, method="POST"
                    )
                    response = await stack.enter_async_context(
                        self._client.stream(
                            "POST",
                            server.url,
                            content=body,
                            headers={"content-type": "application/json", **headers},
                            timeout=server.timeout_seconds,
                        )
                    )
                if response.status_code != 200:
                    status = response.status_code
                    category = category_of_status(status) if status >= 400 else "failed"
                    wait_s = retry_after_s(response.headers)
                    raise ProviderError(PROVIDER, "voice", category, f"HTTP {status}", retry_after_s=wait_s)
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
            detail = f"nothing for {server.timeout_seconds:g} s"
            raise ProviderError(PROVIDER, "voice", "timeout", detail) from None
        except EgressBlocked as error:
            raise ProviderError(PROVIDER, "voice", "bad-request", str(error)) from error
        except (HttpError, InvalidUrl) as error:
            detail = f"the connection failed or broke off ({type(error).__name__})"
            raise ProviderError(PROVIDER, "voice", "failed", detail) from error

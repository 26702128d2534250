"""Every provider that the contracts are held against: a simulated vendor, and the registry that reaches it.

Adding a provider adds a line to one of the tables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from domain.egress import EgressPolicy
from media.egress.client import guarded_client
from media.providers.registry import ProviderRegistry
from media.providers.settings import ProviderSettings, VendorAccess
from tests.simulators.anthropic_server import AnthropicServer
from tests.simulators.cartesia_server import CartesiaServer
from tests.simulators.deepgram_server import DeepgramServer
from tests.simulators.openai_platform_server import OpenAiPlatformServer
from tests.simulators.tenant_server import TenantProviderServer
from tests.simulators.vendor_server import KEY, VendorServer

SECONDS = 60.0
"""Long, for busy machines."""
LOOPBACK = EgressPolicy((ip_network("127.0.0.0/8"),))
Section = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """``section`` is the stage's configuration, given the base URL; ``server`` takes texts or answers and faults."""

    name: str
    section: Callable[[str], Section]
    server: Callable[..., VendorServer]

    @property
    def provider(self) -> str:
        return str(self.section("")["provider"])

    def __str__(self) -> str:
        return self.name


def fixed(**section: Any) -> Callable[[str], Section]:
    return lambda _: dict(section)


def tenants(provider: str, scheme: str, path: str) -> Callable[[str], Section]:
    def section(base_url: str) -> Section:
        return {"provider": provider, "server": {"url": scheme + base_url[4:] + path, "secret": KEY}}

    return section


TRANSCRIBERS: Sequence[Case] = (
    Case("deepgram", fixed(provider="deepgram", model="nova-3", language="en"), DeepgramServer),
    Case("deepgram-flux", fixed(provider="deepgram", model="flux-general-en", eotThreshold=0.7), DeepgramServer),
    Case("cartesia", fixed(provider="cartesia", model="ink-2"), CartesiaServer),
    Case("openai", fixed(provider="openai", model="gpt-4o-transcribe"), OpenAiPlatformServer),
    Case("custom-transcriber", tenants("custom-transcriber", "ws", "/transcribe"), TenantProviderServer),
)
VOICES: Sequence[Case] = (
    Case("cartesia", fixed(provider="cartesia", voiceId="v1", model="sonic-3"), CartesiaServer),
    Case("deepgram", fixed(provider="deepgram", voiceId="asteria", model="aura-2"), DeepgramServer),
    Case("openai", fixed(provider="openai", voiceId="alloy", model="tts-1"), OpenAiPlatformServer),
    Case("custom-voice", tenants("custom-voice", "http", "/voice"), TenantProviderServer),
)
MODELS: Sequence[Case] = (
    Case("openai", fixed(provider="openai", model="gpt-4o"), OpenAiPlatformServer),
    Case("openai-responses", fixed(provider="openai", model="o3-pro"), OpenAiPlatformServer),
    Case("anthropic", fixed(provider="anthropic", model="claude-sonnet-4-20250514"), AnthropicServer),
    Case("groq", fixed(provider="groq", model="llama-3.1-8b-instant"), OpenAiPlatformServer),
    Case("together-ai", fixed(provider="together-ai"), OpenAiPlatformServer),
    Case("openrouter", fixed(provider="openrouter"), OpenAiPlatformServer),
    Case("perplexity-ai", fixed(provider="perplexity-ai"), OpenAiPlatformServer),
    Case("deep-seek", fixed(provider="deep-seek"), OpenAiPlatformServer),
)


@asynccontextmanager
async def registry_of(
    vendors: Mapping[str, str], key: str = KEY, *, local_speech: bool = False
) -> AsyncIterator[ProviderRegistry]:
    """A registry whose vendors are at these base URLs."""
    async with guarded_client(LOOPBACK, timeout_s=SECONDS) as client:
        access = {name: VendorAccess(key, url) for name, url in vendors.items()}
        registry = ProviderRegistry(ProviderSettings(access, local_speech=local_speech), client, LOOPBACK)
        try:
            yield registry
        finally:
            await registry.close()

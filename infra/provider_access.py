"""Which vendors this installation can reach, from its settings: their keys and base URLs by Vapi's provider names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.settings import Settings
from media.providers.settings import ProviderSettings, VendorAccess


@dataclass(frozen=True, slots=True)
class VendorSetting:
    """``stages``: what the vendor serves, as a person reads it. ``url_field`` is empty where ``provider_urls`` gives
    the base URL alone."""

    key_field: str
    stages: str
    url_field: str = ""


VENDORS: Final[Mapping[str, VendorSetting]] = {
    "openai": VendorSetting("openai_api_key", "models, voices and transcribers", "openai_base_url"),
    "deepgram": VendorSetting("deepgram_api_key", "transcribers and voices", "deepgram_base_url"),
    "cartesia": VendorSetting("cartesia_api_key", "voices and transcribers", "cartesia_base_url"),
    "anthropic": VendorSetting("anthropic_api_key", "models"),
    "groq": VendorSetting("groq_api_key", "models"),
    "together-ai": VendorSetting("together_api_key", "models"),
    "openrouter": VendorSetting("openrouter_api_key", "models"),
    "deepinfra": VendorSetting("deepinfra_api_key", "models"),
    "perplexity-ai": VendorSetting("perplexity_api_key", "models"),
    "anyscale": VendorSetting("anyscale_api_key", "models"),
    "xai": VendorSetting("xai_api_key", "models"),
    "deep-seek": VendorSetting("deepseek_api_key", "models"),
    "cerebras": VendorSetting("cerebras_api_key", "models"),
}


def provider_settings(settings: Settings, *, speech: bool) -> ProviderSettings:
    """Without ``speech`` no processes of the local providers are started."""
    return ProviderSettings({name: _access(settings, name, vendor) for name, vendor in VENDORS.items()}, speech)


def _access(settings: Settings, name: str, vendor: VendorSetting) -> VendorAccess:
    key = getattr(settings, vendor.key_field)
    url = getattr(settings, vendor.url_field) if vendor.url_field else ""
    return VendorAccess(key.get_secret_value() if key else None, settings.provider_urls.get(name, url))

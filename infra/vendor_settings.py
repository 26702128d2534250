"""Keys and addresses of the vendors whose models, transcribers and voices calls may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode


class VendorSettings(BaseSettings):
    """Under the vendors' own names, as their SDKs know them. A call that needs a key which is not set is refused."""

    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Key for provider `openai` (models, voices, transcribers)."
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        validation_alias="OPENAI_BASE_URL",
        description="Where provider `openai` is reached, or any server that speaks its protocol.",
    )
    deepgram_api_key: SecretStr | None = Field(
        None, validation_alias="DEEPGRAM_API_KEY", description="Key for provider `deepgram` (transcribers, voices)."
    )
    deepgram_base_url: str = Field(
        "https://api.deepgram.com",
        validation_alias="DEEPGRAM_BASE_URL",
        description="Where provider `deepgram` is reached.",
    )
    cartesia_api_key: SecretStr | None = Field(
        None, validation_alias="CARTESIA_API_KEY", description="Key for provider `cartesia` (voices, transcribers)."
    )
    cartesia_base_url: str = Field(
        "https://api.cartesia.ai",
        validation_alias="CARTESIA_BASE_URL",
        description="Where provider `cartesia` is reached.",
    )
    anthropic_api_key: SecretStr | None = Field(
        None, validation_alias="ANTHROPIC_API_KEY", description="Key for model provider `anthropic`."
    )
    groq_api_key: SecretStr | None = Field(
        None, validation_alias="GROQ_API_KEY", description="Key for model provider `groq`."
    )
    together_api_key: SecretStr | None = Field(
        None, validation_alias="TOGETHER_API_KEY", description="Key for model provider `together-ai`."
    )
    openrouter_api_key: SecretStr | None = Field(
        None, validation_alias="OPENROUTER_API_KEY", description="Key for model provider `openrouter`."
    )
    deepinfra_api_key: SecretStr | None = Field(
        None, validation_alias="DEEPINFRA_API_KEY", description="Key for model provider `deepinfra`."
    )
    perplexity_api_key: SecretStr | None = Field(
        None, validation_alias="PERPLEXITY_API_KEY", description="Key for model provider `perplexity-ai`."
    )
    anyscale_api_key: SecretStr | None = Field(
        None, validation_alias="ANYSCALE_API_KEY", description="Key for model provider `anyscale`."
    )
    xai_api_key: SecretStr | None = Field(
        None, validation_alias="XAI_API_KEY", description="Key for model provider `xai`."
    )
    deepseek_api_key: SecretStr | None = Field(
        None, validation_alias="DEEPSEEK_API_KEY", description="Key for model provider `deep-seek`."
    )
    cerebras_api_key: SecretStr | None = Field(
        None, validation_alias="CEREBRAS_API_KEY", description="Key for model provider `cerebras`."
    )
    provider_urls: Annotated[Mapping[str, str], NoDecode] = Field(
        {},
        description="Base URLs of other servers that speak a vendor's protocol, by provider: "
        "`groq=https://gateway.example/v1,anthropic=https://...`; unnamed vendors are reached at their own.",
    )

    @field_validator("provider_urls", mode="before")
    @classmethod
    def _urls_by_provider(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): base_url(url.strip()) for name, _, url in pairs}

    @field_validator("provider_urls")
    @classmethod
    def _named_urls(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, url in value.items():
            if not name or not url:
                raise ValueError(
                    "give provider=URL pairs, separated by commas, such as groq=https://gateway.example/v1"
                )
        return value

    @field_validator("openai_base_url", "deepgram_base_url", "cartesia_base_url")
    @classmethod
    def _vendor_url(cls, value: str) -> str:
        return base_url(value)


def base_url(value: str) -> str:
    """A URL that paths are appended to, without its last slash; empty stays empty. Raises ``ValueError``."""
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError(f"{value!r} is not an http:// or https:// URL")
    return value.rstrip("/")

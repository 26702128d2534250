"""What an installation gives its providers: keys, base URLs, sizes. The composition root fills it in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """A key of None means that the provider is not configured: assistants that name it are refused at call start.

    ``openai_base_url`` None is the vendor's own. ``local_speech`` False starts no worker processes (a deployment that
    only uses vendors); ``recogniser_workers`` is the number of recogniser processes, each for 16 speaking callers."""

    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str | None = None
    local_speech: bool = True
    recogniser_workers: int = 1

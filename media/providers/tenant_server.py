"""A server of the tenant's that stands in for a provider: its URL, its time-out, and how it knows that it is us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from media.providers.errors import ProviderError, Stage

MAX_TIMEOUT_S: Final = 300.0
_AUTHENTICATES: Final = "x-vapi-secret"


@dataclass(frozen=True, slots=True)
class TenantServer:
    """``headers`` are the configured ones and the secret."""

    url: str
    timeout_s: float
    headers: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, section: Mapping[str, Any], provider: str, stage: Stage, default_timeout_s: float) -> TenantServer:
        """From a section's ``server``. Raises ``ProviderError`` (``not-configured``) where it names no URL."""
        server = section.get("server")
        given = server if isinstance(server, Mapping) else {}
        url = given.get("url")
        if not isinstance(url, str) or not url:
            raise ProviderError(provider, stage, "not-configured", f"{stage}.server.url is missing: set it")
        configured = given.get("headers")
        headers = {str(name): str(value) for name, value in (configured or {}).items()}
        secret = given.get("secret")
        if isinstance(secret, str) and secret and _AUTHENTICATES not in map(str.lower, headers):
            headers[_AUTHENTICATES] = secret
        timeout = given.get("timeoutSeconds")
        limit = float(timeout) if isinstance(timeout, int | float) and timeout > 0 else default_timeout_s
        return cls(url, min(limit, MAX_TIMEOUT_S), headers)

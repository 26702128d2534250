"""Whose conversation the providers serve: the organisation's own keys, and its servers that stand in for a provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from domain.credentials.own_keys import OwnKey
from domain.server_messages.access import CredentialUnusable
from domain.server_messages.server import Server, read_server
from media.providers.errors import ProviderError, Stage
from media.tools.tenant_servers import TenantServers

CUSTOM_LLM: Final = "custom-llm"
DEFAULT_FIRST_TOKEN_S: Final = 20.0
MOST_FIRST_TOKEN_S: Final = 300.0

Keys = Callable[[Mapping[str, Any]], Mapping[str, OwnKey]]
"""The organisation's own keys for an assistant, by provider. Raises ``SealBroken``."""


def no_keys(assistant: Mapping[str, Any]) -> Mapping[str, OwnKey]:
    """An organisation without keys of its own."""
    return {}


def nothing_told() -> Mapping[str, Any]:
    """A conversation of which servers are told nothing."""
    return {}


@dataclass(slots=True)
class Tenant:
    """Of one conversation. ``facts`` are the fields that every message to its servers has besides its own.

    ``leases`` are given back when the conversation is over (``release``).
    """

    servers: TenantServers
    keys: Keys = no_keys
    facts: Callable[[], Mapping[str, Any]] = nothing_told
    leases: list[Callable[[], None]] = field(default_factory=list)

    def release(self) -> None:
        """The conversation is over: what was held for it may be closed."""
        leases, self.leases = self.leases, []
        for give_back in leases:
            give_back()


Providers_co = TypeVar("Providers_co", covariant=True)


@runtime_checkable
class ServesTenants(Protocol[Providers_co]):
    """A registry that knows tenants apart."""

    def of(self, tenant: Tenant) -> Providers_co:
        """The same providers, with what the tenant has of its own."""


def server_of(section: Mapping[str, Any], provider: str, stage: Stage) -> Server:
    """The section's own server. Raises ``ProviderError`` (``not-configured``) where it names no URL."""
    server = read_server({"server": section.get("server")})
    if server is None:
        raise ProviderError(provider, stage, "not-configured", f"{stage}.server.url is missing: set it")
    return server


def first_token_s(model: Mapping[str, Any]) -> float:
    """How long a custom LLM's answer may take to begin: ``timeoutSeconds`` of its configuration."""
    configured = model.get("timeoutSeconds")
    if isinstance(configured, int | float) and configured > 0:
        return min(float(configured), MOST_FIRST_TOKEN_S)
    return DEFAULT_FIRST_TOKEN_S


def patience_s(model: Mapping[str, Any]) -> float | None:
    """``first_token_s`` where the model is a custom LLM; for all others the installation's limit holds."""
    return first_token_s(model) if model.get("provider") == CUSTOM_LLM else None


async def headers_of(
    servers: TenantServers,
    server: Server,
    provider: str,
    stage: Stage,
    *,
    source: str,
    body: bytes,
    method: str,
    ours: bool = True,
) -> dict[str, str]:
    """What authenticates a request to a server that stands in for a provider. Raises ``ProviderError``."""
    try:
        return await servers.headers(server, source, body, method, ours=ours)
    except CredentialUnusable as fault:
        raise ProviderError(provider, stage, "unauthorized", str(fault)) from fault

"""Chats as an installation for tests holds them: the real tier, its local model, and tool servers on this machine."""

from __future__ import annotations

from domain.egress import EgressPolicy
from domain.knowledge.search import NoKnowledge
from domain.log.ports import Clock
from domain.pricing.tables import CURRENT_PRICE_TABLE
from media.call.tenancy import KeysOfOrganizations, no_keys
from media.chat.plan import Models
from media.chat.settings import ChatSettings
from media.chat.tier import ChatTier
from media.egress.client import guarded_client
from media.providers.registry import ProviderRegistry
from media.providers.settings import ProviderSettings, VendorAccess
from streams.log.embedded import EmbeddedLog

LOOPBACK = EgressPolicy.parse(["127.0.0.0/8"])


def chatting(
    log: EmbeddedLog,
    clock: Clock,
    *,
    openai_base_url: str | None = None,
    models: Models | None = None,
    settings: ChatSettings | None = None,
    keys: KeysOfOrganizations = no_keys,
) -> ChatTier:
    """A tier over ``log``; with ``openai_base_url`` provider ``openai`` is there too."""
    client = guarded_client(LOOPBACK, timeout_s=60)
    key = "sk-test" if openai_base_url else None
    access = {"openai": VendorAccess(key, openai_base_url or "")}
    providers = ProviderSettings(access, local_speech=False)
    return ChatTier(
        commands=log,
        documents=log,
        log=log,
        models=models or ProviderRegistry(providers, client),
        client=client,
        egress=LOOPBACK,
        knowledge=NoKnowledge(),
        settings=settings or ChatSettings(),
        clock=clock,
        price_table=CURRENT_PRICE_TABLE,
        keys=keys,
    )

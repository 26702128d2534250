"""Conversations in writing, put together over opened parts: wherever there is an API, with or without media."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from domain.egress import EgressPolicy
from domain.knowledge.search import Knowledge
from domain.pricing.tables import CURRENT_PRICE_TABLE
from infra.identifiers import now
from infra.settings import Settings
from infra.storage import Storage
from infra.tenant_access import TenantAccess
from media.chat.settings import ChatSettings
from media.chat.tier import ChatTier
from media.egress.client import guarded_client
from media.providers.registry import ProviderRegistry


@contextlib.asynccontextmanager
async def opened_chats(
    settings: Settings, storage: Storage, registry: ProviderRegistry, knowledge: Knowledge, tenants: TenantAccess
) -> AsyncIterator[ChatTier]:
    """Chats answered with the models of ``registry``; what is being answered at the end is still recorded."""
    limits, egress = ChatSettings(), EgressPolicy.parse(settings.egress_allow)
    async with guarded_client(egress, timeout_s=limits.tool_timeout_s) as client:
        tier = ChatTier(
            commands=storage.log,
            documents=storage.log,
            log=storage.log,
            models=registry,
            client=client,
            egress=egress,
            knowledge=knowledge,
            code_program=settings.code_program,
            settings=limits,
            clock=now,
            price_table=settings.price_table or CURRENT_PRICE_TABLE,
            access=tenants.access,
            keys=tenants.keys.of,
        )
        try:
            yield tier
        finally:
            await tier.close()

"""The composition root of a running system: the one place that knows every part and puts them together."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from api.app import CALLS_ONLY, EVERYTHING, end_streams
from api.models.building import build_models
from domain.aggregate import Conflicting
from domain.egress import EgressPolicy
from domain.keys import RANDOM_BYTES
from domain.knowledge.search import Knowledge
from domain.organization.founding import Founding, carry_out, found_with
from domain.organization.placement import placement
from domain.pricing.tables import CURRENT_PRICE_TABLE
from infra.application import Gate, api_limits, application, build_routes, signing_secret
from infra.chatting import opened_chats
from infra.data_folder import Seat
from infra.disowned import hanging_up_disowned
from infra.identifiers import now, random_id
from infra.knowledge import opened_knowledge
from infra.live import opened_live
from infra.metrics import opened_metrics
from infra.projecting import Fragments, Projecting, opened_projecting
from infra.provider_access import provider_settings
from infra.remote_calls import RoutedCalls
from infra.roles import Addresses, Role
from infra.settings import Settings
from infra.sound_links import opened_sound_links
from infra.storage import Storage, opened_storage
from infra.tenant_access import TenantAccess, opened_tenant_access
from infra.watch import REAP_SECONDS, watching_leases
from infra.web_calls import opened_routed_web_calls, opened_web_calls
from infra.webhooks import opened_webhooks
from media.call.settings import MediaSettings
from media.call.tenancy import TenantPorts
from media.call.tier import MediaTier
from media.egress.client import guarded_client
from media.providers.registry import ProviderRegistry

if TYPE_CHECKING:
    from fastapi import FastAPI

FIRST_ORGANIZATION = "default"

_TENANT_MODEL_SECONDS = 30.0
"""Longest silence of a tenant's own model server; the call's shorter limits on first token and pauses apply first."""


@dataclass(slots=True)
class System:
    """A running process of the installation: its HTTP application, its calls, and its way to stop."""

    app: FastAPI
    live_calls: RoutedCalls
    storage: Storage
    projecting: Projecting | None
    _gate: Gate
    _secret: bytes

    async def first_organization(self) -> Founding | None:
        """Found an organisation when there is none yet; its keys are in the answer and nowhere else."""
        if self.storage.log.list("organization", limit=1):
            return None
        try:
            return await found_organization(
                self.storage, FIRST_ORGANIZATION, self._secret, organization_id=self.storage.first_organization_id
            )
        except Conflicting:
            return None  # another process, which found the log empty at the same moment, was faster

    async def drain(self, timeout_s: float) -> None:
        """Take no new calls, end the running ones, and let the tables catch up with what was recorded."""
        self._gate.closed_because = "the server is shutting down"
        await self.live_calls.drain(timeout_s)
        if self.projecting is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.projecting.caught_up()
        end_streams(self.app)


@contextlib.asynccontextmanager
async def run_system(
    settings: Settings, seat: Seat, role: Role, *, addresses: Addresses, operator_token: str
) -> AsyncIterator[System]:
    """What ``role`` asks for: API and projections, calls, or both over one log. ``seat`` must be held by the caller.

    Raises ``LogUnavailable``, ``StoreUnavailable`` and ``ProviderError`` for a part that cannot start.
    """
    async with contextlib.AsyncExitStack() as parts:
        storage = parts.enter_context(opened_storage(settings, seat))
        gate = Gate(troubles=[storage.trouble])
        secret = signing_secret(settings, seat.folder)
        knowledge = await parts.enter_async_context(
            opened_knowledge(settings, seat, storage, reads=role in ("up", "api"))
        )
        tenants = await parts.enter_async_context(opened_tenant_access(settings, storage, secret))
        # The speech workers and the analytics engine take a second each to start, on other processes and threads.
        registry = _registry(settings, parts, speech=role != "api")
        speaking = asyncio.create_task(registry.start())
        modelling = asyncio.create_task(asyncio.to_thread(build_models)) if role != "media" else None
        projecting = None
        if role != "media":
            fill = role == "up" or settings.clickhouse == "embedded"
            projecting = await parts.enter_async_context(
                opened_projecting(
                    settings.clickhouse,
                    seat.folder,
                    storage.log,
                    storage.shards(),
                    fill=fill,
                    fragments=Fragments(storage.fragments, settings.fragment_days, settings.fragment_words),
                    table_days=settings.table_days,
                    statement_disk_mb=settings.statement_disk_mb,
                )
            )
        live = await parts.enter_async_context(opened_live(settings, seat, role, storage)) if role != "media" else None
        webhooks = None
        if role != "media":
            # Where the log is shared `callfold stream` delivers for API processes.
            sends = role == "up" or settings.kafka is None
            webhooks = await parts.enter_async_context(
                opened_webhooks(settings, seat, storage, addresses, secret, sends=sends)
            )
            gate.troubles.append(webhooks.trouble)
        tier = None
        await speaking
        if role != "api":
            tier = await parts.enter_async_context(
                _tier(settings, seat, storage, registry, addresses.node_url, knowledge, tenants)
            )
            gate.troubles.append(lambda: tier.trouble)
            await parts.enter_async_context(hanging_up_disowned(storage.log, storage.shards(), tier))
        else:
            await parts.enter_async_context(
                watching_leases(storage, seat.folder.live, connect_within_s=settings.connect_seconds)
            )
        chats = None
        if role != "media":
            chats = await parts.enter_async_context(opened_chats(settings, storage, registry, knowledge, tenants))
        live_calls = RoutedCalls(tier, storage.leases.owner, storage.log, storage.log, secret)
        parts.push_async_callback(live_calls.close)
        metrics = await parts.enter_async_context(
            opened_metrics(storage, projecting, live, live_calls, webhooks=webhooks)
        )
        own_web_calls = await parts.enter_async_context(opened_web_calls(settings, tier)) if tier else None
        app = application(
            storage,
            projecting,
            live_calls,
            gate,
            public_url=addresses.public_url,
            media_url=addresses.media_url,
            secret=secret,
            operator_token=operator_token,
            own_calls=tier,
            web_calls=await parts.enter_async_context(opened_routed_web_calls(settings, seat, own_web_calls, secret)),
            own_web_calls=own_web_calls,
            chats=chats,
            sound_links=await parts.enter_async_context(opened_sound_links(settings)) if chats else None,
            routes=CALLS_ONLY if role == "media" else EVERYTHING,
            limits=api_limits(settings),
            knowledge=knowledge,
            live=live,
            webhooks=webhooks,
            seal=tenants.seal,
            metrics=metrics,
            metrics_token=_revealed(settings.metrics_token),
        )
        if modelling is not None:
            await modelling
        build_routes(app)
        gate.closed_because = ""
        yield System(app, live_calls, storage, projecting, gate, secret)


async def found_organization(storage: Storage, name: str, secret: bytes, *, organization_id: str = "") -> Founding:
    """Found an organisation and issue its two keys, the private one from the installation's ``secret``.

    Raises ``Conflicting`` where there is one under ``organization_id``.
    """
    founding = found_with(
        name,
        new_id=random_id,
        secret=secret,
        public_random=os.urandom(RANDOM_BYTES),
        shard=placement(storage.log, storage.shards()),
        organization_id=organization_id,
    )
    await carry_out(founding, storage.log)
    return founding


def _registry(settings: Settings, parts: contextlib.AsyncExitStack, *, speech: bool) -> ProviderRegistry:
    """Without ``speech`` there are language models only, and no processes beside this one."""
    egress = EgressPolicy.parse(settings.egress_allow)
    tenants = guarded_client(egress, timeout_s=_TENANT_MODEL_SECONDS)
    parts.push_async_callback(tenants.aclose)
    registry = ProviderRegistry(provider_settings(settings, speech=speech), tenants, egress)
    parts.push_async_callback(registry.close)
    return registry


def _tier(
    settings: Settings,
    seat: Seat,
    storage: Storage,
    registry: ProviderRegistry,
    address: str,
    knowledge: Knowledge,
    tenants: TenantAccess,
) -> MediaTier:
    return MediaTier(
        commands=storage.log,
        documents=storage.log,
        fragments=storage.fragments,
        artifacts=storage.artifacts,
        providers=registry,
        egress=EgressPolicy.parse(settings.egress_allow),
        settings=MediaSettings(
            max_calls=settings.max_calls,
            max_lag_ms=settings.admission_lag_ms,
            max_busy=settings.admission_busy_percent / 100,
            call_share=settings.admission_call_percent / 100,
            max_start_wait_ms=settings.admission_start_wait_ms,
            max_log_wait_ms=settings.admission_log_wait_ms,
            live_dir=seat.folder.live,
            connect_within_s=settings.connect_seconds,
            lease_s=storage.lease_seconds,
            reap_every_s=REAP_SECONDS,
            zero_data_retention=settings.zero_data_retention,
            thinks_ahead=settings.think_ahead,
            interruption_words=settings.interruption_words,
        ),
        clock=now,
        new_id=random_id,
        leases=storage.leases,
        address=address,
        price_table=settings.price_table or CURRENT_PRICE_TABLE,
        log=storage.log,
        knowledge=knowledge,
        code_program=settings.code_program,
        tenants=TenantPorts(access=tenants.access, posts=tenants.posts, keys=tenants.keys.of),
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None

"""What a call has of its tenant: the servers it may ask, what they are told, and where messages go by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from domain.call.state import KeptCall
from domain.configuration.state import ActiveConfiguration
from domain.credentials.own_keys import OwnKey
from domain.log.ports import Documents
from domain.server_messages.access import InlineAccess, ServerAccess
from domain.server_messages.posting import NoPosts, Posts
from domain.server_messages.server import Server, most_specific
from domain.write_only import without_secrets
from media.call.call_clock import CallClock
from media.call.live_messages import LiveMessages
from media.call.told import Told
from media.egress.client import HttpClient
from media.providers.tenant import Tenant
from media.tools.tenant_servers import TenantServers

Warn = Callable[[str, str], None]
"""Takes the code and the detail of what a person should know."""


KeysOfOrganizations = Callable[[str, Mapping[str, Any]], Mapping[str, OwnKey]]
"""An organisation's own keys for an assistant, by provider. Raises ``SealBroken``."""


def no_keys(org_id: str, assistant: Mapping[str, Any]) -> Mapping[str, OwnKey]:
    """Organisations without keys of their own."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPorts:
    """What a process has for the calls of all tenants. ``access`` authenticates us at their servers, ``posts`` tells
    them something without waiting for an answer, ``keys`` are an organisation's own for an assistant."""

    access: ServerAccess = field(default_factory=InlineAccess)
    posts: Posts = field(default_factory=NoPosts)
    keys: KeysOfOrganizations = no_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """Of one call. ``live`` tells the server what is on no log; ``fallback`` is the server of its phone number, else of
    its organisation."""

    servers: TenantServers
    told: Told
    live: LiveMessages
    tenant: Tenant
    fallback: Server | None


def tenancy_of(
    call: KeptCall, clock: CallClock, documents: Documents, ports: TenantPorts, client: HttpClient, warn: Warn
) -> Tenancy:
    """``client`` must be guarded against inner addresses."""
    identity = call.identity
    number_id = identity.request.get("phoneNumberId")
    number = _configured(documents, "phone_number", number_id, identity.org_id)
    fallback = most_specific(number, organization_settings(documents, identity.org_id))
    shown = {**without_secrets(number, "phone_number"), "id": number_id} if number else None
    servers = TenantServers(
        client,
        ports.access,
        org_id=identity.org_id,
        about=identity.id,
        now=lambda: clock.wall_time(clock.now_ms()),
        fallback=fallback,
    )
    told = Told(identity.id, documents, phone_number=shown)
    live = LiveMessages(ports.posts, servers.find, told, org_id=identity.org_id, about=identity.id, warn=warn)
    tenant = Tenant(servers, partial(ports.keys, identity.org_id), told.brief)
    return Tenancy(servers=servers, told=told, live=live, tenant=tenant, fallback=fallback)


def organization_settings(documents: Documents, org_id: str) -> Mapping[str, Any]:
    """The organisation's own settings; none where it is not known here."""
    document = documents.get("organization", org_id)
    config: Mapping[str, Any] = document.state.config if document is not None else {}
    return config


def _configured(documents: Documents, kind: str, id: Any, org_id: str) -> dict[str, Any] | None:
    document = documents.get(kind, id, org_id=org_id) if isinstance(id, str) and id else None
    state = document.state if document is not None else None
    return state.config if isinstance(state, ActiveConfiguration) else None

"""What this process has for the conversations of all tenants: who we are at their servers, and their own keys."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from domain.credentials.own_keys import OwnKeys
from domain.egress import EgressPolicy
from domain.sealing import Seal, opening
from domain.server_messages.access import ServerAccess
from domain.server_messages.posting import Posts
from infra.egress.sessions import OrganizationSessions
from infra.identifiers import now
from infra.sealing import seal_of
from infra.settings import Settings
from infra.storage import Storage
from streams.webhooks.credentials import Credentials
from streams.webhooks.sender import Sender
from streams.webhooks.signed_access import SignedAccess

_PER_HOST: Final = 20
"""Connections of one organisation to one host."""


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """``access`` authenticates requests, ``posts`` makes those that nobody waits for, ``keys`` are the vendors' of each
    organisation, ``seal`` closes and opens secrets."""

    access: ServerAccess
    posts: Posts
    keys: OwnKeys
    seal: Seal


@contextlib.asynccontextmanager
async def opened_tenant_access(settings: Settings, storage: Storage, secret: bytes) -> AsyncIterator[TenantAccess]:
    """``secret`` is the installation's, which messages are signed with."""
    seal = seal_of(settings.secret_key)
    sessions = OrganizationSessions(EgressPolicy.parse(settings.egress_allow), per_host=_PER_HOST)
    try:
        credentials = Credentials(storage.log, sessions, now, seal)
        access = SignedAccess(credentials, secret, version("callfold"), now)
        yield TenantAccess(access, Sender(sessions, access, now), OwnKeys(storage.log, opening(seal)), seal)
    finally:
        await sessions.close()

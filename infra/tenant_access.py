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
from infra.egress.sessions import OrganizationSessions
from infra.identifiers import now
from infra.sealing import seal_of
from infra.settings import Settings
from infra.storage import Storage
from streams.webhooks.credentials import Credentials
from streams.webhooks.signed_access import SignedAccess

_PER_HOST: Final = 20
"""Connections of one organisation to one host."""


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """``access`` authenticates requests, ``keys`` are the vendors' of each organisation, ``seal`` closes and opens
    secrets, ``sessions`` make guarded requests."""

    access: ServerAccess
    keys: OwnKeys
    seal: Seal
    sessions: OrganizationSessions


@contextlib.asynccontextmanager
async def opened_tenant_access(settings: Settings, storage: Storage, secret: bytes) -> AsyncIterator[TenantAccess]:
    """``secret`` is the installation's, which messages are signed with."""
    seal = seal_of(settings.secret_key)
    sessions = OrganizationSessions(EgressPolicy.parse(settings.egress_allow), per_host=_PER_HOST)
    try:
        credentials = Credentials(storage.log, sessions, now, seal)
        access = SignedAccess(credentials, secret, version("callfold"), now)
        yield TenantAccess(access, OwnKeys(storage.log, opening(seal)), seal, sessions)
    finally:
        await sessions.close()

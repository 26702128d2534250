"""What is known of an organisation: its name, the shard its events live in, and the keys that open it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from domain.organization.events import KeyRestrictions, KeyTag


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key that opens the organisation. ``hash`` is the hex SHA-256; the key itself is kept nowhere."""

    id: str
    tag: KeyTag
    hash: str
    name: str
    issued_at: datetime
    changed_at: datetime | None = None
    restrictions: KeyRestrictions | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of this organisation's own; ``None`` where those of the installation hold."""

    private_requests_per_minute: int | None = None
    public_requests_per_minute: int | None = None
    concurrent_calls: int | None = None


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant. ``shard`` is ``None`` only between ``organization.created`` and ``organization.placed``, which are
    one commit. ``keys`` holds the keys in force; a revoked key is gone from here and stays on the log."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    version: int
    shard: int | None = None
    keys: tuple[Key, ...] = ()
    limits: Limits = Limits()
    config: dict[str, Any] = {}

    @property
    def org_id(self) -> str:
        """It belongs to itself."""
        return self.id

    def key(self, key_id: str) -> Key | None:
        """The key in force with this id."""
        return next((key for key in self.keys if key.id == key_id), None)


def key_hashes(organization: Organization) -> tuple[str, ...]:
    """The hashes by which a request's key finds this organisation."""
    return tuple(key.hash for key in organization.keys)

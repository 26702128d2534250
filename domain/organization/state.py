"""What is known of an organisation: its name, the shard its events live in, and the keys that open it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.organization.events import KeyTag


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key that opens the organisation. ``hash`` is the hex SHA-256; the key itself is kept nowhere."""

    id: str
    tag: KeyTag
    hash: str
    name: str
    issued_at: datetime


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


def key_hashes(organization: Organization) -> tuple[str, ...]:
    """The hashes by which a request's key finds this organisation."""
    return tuple(key.hash for key in organization.keys)

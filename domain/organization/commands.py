"""What can be asked of an organisation. Ids and hashes are made by the caller."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.organization.events import KeyRestrictions, KeyTag
from domain.organization.state import Limits


class CreateOrganization(msgspec.Struct, frozen=True, kw_only=True):
    """Found the organisation and place it in ``shard`` for good."""

    name: str
    shard: int = 0


class IssueKey(msgspec.Struct, frozen=True, kw_only=True):
    """Let a key open the organisation. ``hash`` is the hex SHA-256 of the key (``domain.keys.hash_key``)."""

    key_id: str
    tag: KeyTag
    hash: str
    name: str = ""
    restrictions: KeyRestrictions | None = None


class RevokeKey(msgspec.Struct, frozen=True, kw_only=True):
    """Shut a key out at once."""

    key_id: str


class DescribeKey(msgspec.Struct, frozen=True, kw_only=True):
    """Give a key another name and other restrictions."""

    key_id: str
    name: str
    restrictions: KeyRestrictions | None = None


class SetLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bound what the organisation may ask for; ``None`` leaves it to the installation."""

    limits: Limits


class Configure(msgspec.Struct, frozen=True, kw_only=True):
    """Change settings of the organisation's own: those that are named, ``None`` takes one away."""

    changes: dict[str, Any]
    actor: str = ""


OrganizationCommand = CreateOrganization | IssueKey | RevokeKey | DescribeKey | SetLimits | Configure

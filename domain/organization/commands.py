"""What can be asked of an organisation. Ids and hashes are made by the caller."""

from __future__ import annotations

import msgspec

from domain.organization.events import KeyTag


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


class RevokeKey(msgspec.Struct, frozen=True, kw_only=True):
    """Shut a key out at once."""

    key_id: str


OrganizationCommand = CreateOrganization | IssueKey | RevokeKey

"""What can happen to an organisation. Its stream id is the organisation id."""

from __future__ import annotations

from typing import ClassVar, Literal

from domain.event import Event

KeyTag = Literal["private", "public"]


class OrganizationCreated(Event, frozen=True, kw_only=True):
    """A tenant exists. Always followed by its placement in the same commit."""

    TYPE: ClassVar[str] = "organization.created"
    name: str


class OrganizationPlaced(Event, frozen=True, kw_only=True):
    """The shard all of the organisation's events live in: decided once, never hashed, never moved."""

    TYPE: ClassVar[str] = "organization.placed"
    shard: int


class KeyIssued(Event, frozen=True, kw_only=True):
    """``hash`` is the hex SHA-256 of the key; the key itself is shown once and kept nowhere."""

    TYPE: ClassVar[str] = "organization.key_issued"
    key_id: str
    tag: KeyTag
    hash: str
    name: str = ""


class KeyRevoked(Event, frozen=True, kw_only=True):
    """The key opens nothing any more."""

    TYPE: ClassVar[str] = "organization.key_revoked"
    key_id: str

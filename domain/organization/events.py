"""What can happen to an organisation. Its stream id is the organisation id."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from domain.event import Event

KeyTag = Literal["private", "public"]


class KeyRestrictions(msgspec.Struct, frozen=True, kw_only=True):
    """What a public key may be used for; Vapi's ``TokenRestrictions``, https://docs.vapi.ai/customization/jwt-authentication.

    ``enabled`` switches the key itself off. ``None`` for origins or assistants means any of them.
    """

    enabled: bool = True
    allowed_origins: tuple[str, ...] | None = None
    allowed_assistant_ids: tuple[str, ...] | None = None
    allow_transient_assistant: bool = True


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


class KeyDescribed(Event, frozen=True, kw_only=True):
    """What a key is called and what it may be used for, from now on."""

    TYPE: ClassVar[str] = "organization.key_described"
    key_id: str
    name: str
    restrictions: KeyRestrictions | None = None


class LimitsSet(Event, frozen=True, kw_only=True):
    """How much the organisation may ask for, from now on. ``None`` leaves it to the installation's settings.

    Requests are counted per minute and kind of key, calls are those that run at the same time.
    """

    TYPE: ClassVar[str] = "organization.limits_set"
    private_requests_per_minute: int | None = None
    public_requests_per_minute: int | None = None
    concurrent_calls: int | None = None


class OrganizationConfigured(Event, frozen=True, kw_only=True):
    """The organisation's own settings, whole, under their names on the wire: ``server`` is where messages go that
    neither an assistant nor a phone number sends elsewhere."""

    TYPE: ClassVar[str] = "organization.configured"
    config: dict[str, Any]
    actor: str = ""

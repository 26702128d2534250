"""What may be asked of an endpoint."""

from __future__ import annotations

from typing import Literal

import msgspec

from domain.event import Event


class RecordDeliveries(msgspec.Struct, frozen=True, kw_only=True):
    """Keep what came of deliveries. ``facts`` are attempts and messages that came too late."""

    org_id: str
    origin: str
    facts: tuple[Event, ...]


class ClaimEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Let ``owner`` serve it, unless the one it belonged to, ``instead_of``, has been followed by another already."""

    org_id: str
    origin: str
    owner: str
    instead_of: str


class DisableEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Send nothing there any more."""

    org_id: str


class EnableEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Go on."""

    org_id: str


class RequestReplay(msgspec.Struct, frozen=True, kw_only=True):
    """Send these again."""

    org_id: str
    message_ids: tuple[str, ...]
    kind: Literal["manual", "recover"]


EndpointCommand = ClaimEndpoint | RecordDeliveries | DisableEndpoint | EnableEndpoint | RequestReplay

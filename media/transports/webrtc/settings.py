"""What an operator may tune about calls from browsers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.web_calls import IceServer


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRtcSettings:
    """Limits and waits. The defaults suit one process on one core."""

    ice_servers: Sequence[IceServer] = ()
    addresses: Sequence[str] = ()
    """Addresses of this machine that are offered to browsers; none means all but loopback ones."""
    max_peers: int = 100
    """Peers that may connect or be connected at once."""
    quick_peers: int = 10
    """As many peers are asked for 10 ms of sound in a packet instead of 20 ms (RFC 4566, ``a=ptime``): what lies in a
    packet is late by as much, and each packet costs, so that a full process could not afford it for all."""
    connect_s: float = 15.0
    """A peer that has not connected by then is given up: offers cost nothing to make."""
    media_lost_s: float = 8.0
    """Silence on the network after which the caller has gone: longer than a telephone takes from one cell to the next.
    Consent (RFC 7675), by which aiortc notices a vanished peer, expires after 28 s only."""
    closing_s: float = 1.0
    """How long the end of a call waits for its last words and messages to leave."""
    inbox_cap: int = 256
    """Messages from the browser that may wait to be read."""
    channel_cap_bytes: int = 1 << 20
    """Messages to the browser that may wait to be sent before it counts as gone."""

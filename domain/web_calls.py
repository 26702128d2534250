"""What the API may ask of calls that browsers hold over WebRTC: an answer to an offer (RFC 9429)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_SCHEMES = ("stun", "stuns", "turn", "turns")


class OfferRefused(Exception):
    """The offer cannot be answered with a call; the message says what about it, or about this server."""


class TooManyPeers(OfferRefused):
    """It may be answered later: this process has no room now."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server (RFC 8445) that helps two sides behind NATs to find each other."""

    url: str
    username: str = ""
    credential: str = ""


def parse_ice_server(text: str) -> IceServer:
    """Read ``stun:host[:port]`` (RFC 7064) or ``turn:user:password@host[:port][?transport=udp]`` (RFC 7065, whose URIs
    carry no credentials; these stand before the host as in other URLs). Raises ``ValueError``."""
    scheme, colon, rest = text.strip().partition(":")
    credentials, at, address = rest.rpartition("@")
    username, _, credential = credentials.partition(":")
    if scheme not in _SCHEMES or not colon or not address:
        raise ValueError(f"an ICE server is stun:host:port or turn:user:password@host:port, not {scheme}:...")
    if scheme.startswith("turn") and not (username and credential):
        raise ValueError(f"{scheme}:{address} needs user:password@ before the host")
    if scheme.startswith("stun") and at:
        raise ValueError(f"{scheme}:{address} takes no user and password")
    return IceServer(f"{scheme}:{address}", username, credential)


class WebCalls(Protocol):
    """Peers of this process. A peer that has connected claims its call and holds it, as a WebSocket does."""

    @property
    def ice_servers(self) -> Sequence[IceServer]:
        """Those that the browser is to use too."""

    async def answer(self, call_id: str, offer: str, *, join_s: float) -> str:
        """The SDP answer to an SDP offer with all its candidates. Raises ``OfferRefused``.

        A browser that has connected and from which no sound has come within ``join_s`` seconds is hung up on.
        """

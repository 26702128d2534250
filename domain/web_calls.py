"""What the API may ask of calls that browsers hold over WebRTC: an answer to an offer (RFC 9429)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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


class WebCalls(Protocol):
    """Peers of this process. A peer that has connected claims its call and holds it, as a WebSocket does."""

    @property
    def ice_servers(self) -> Sequence[IceServer]:
        """Those that the browser is to use too."""

    async def answer(self, call_id: str, offer: str) -> str:
        """The SDP answer to an SDP offer with all its candidates. Raises ``OfferRefused``."""

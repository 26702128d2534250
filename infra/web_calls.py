"""Calls from browsers: those that this process holds, and offers passed on to processes that have room."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import httpx2

from api.routes.forwarded import PREFIX
from domain.live_calls import LiveCalls
from domain.signing import call_token
from domain.web_calls import IceServer, OfferRefused, TooManyPeers, WebCalls, parse_ice_server
from infra.data_folder import Seat
from infra.settings import Settings
from media.transports.webrtc.calls import WebRtcCalls
from media.transports.webrtc.settings import WebRtcSettings

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 15.0
"""The other process may have to ask STUN and TURN servers first."""


class RoutedWebCalls:
    """``WebCalls`` of an installation of several processes: an offer is answered here, or where there is room.

    The browser sends its sound to whoever answered, so nothing of the call passes through here afterwards. ``own`` are
    the peers of this process, ``None`` where it serves no calls; ``others`` are the addresses of processes to ask.
    """

    def __init__(
        self,
        own: WebCalls | None,
        others: Callable[[], Iterable[str]],
        secret: bytes,
        ice_servers: Sequence[IceServer],
        client: httpx2.AsyncClient,
    ) -> None:
        self._own = own
        self._others = others
        self._secret = secret
        self._ice_servers = ice_servers
        self._client = client

    @property
    def ice_servers(self) -> Sequence[IceServer]:
        """See ``WebCalls``."""
        return self._ice_servers

    async def answer(self, call_id: str, offer: str, *, join_s: float) -> str:
        """See ``WebCalls``. Raises ``OfferRefused``, and ``TooManyPeers`` where nobody has room."""
        full = TooManyPeers("no process that serves calls runs (callfold media)")
        if self._own is not None:
            try:
                return await self._own.answer(call_id, offer, join_s=join_s)
            except TooManyPeers as here:
                full = here
        for address in self._others():
            try:
                return await self._ask(address, call_id, offer, join_s)
            except TooManyPeers as there:
                full = there
        raise full

    async def _ask(self, address: str, call_id: str, offer: str, join_s: float) -> str:
        credential = call_token(self._secret, call_id, "forward")
        try:
            answer = await self._client.post(
                f"{address}{PREFIX}/{call_id}/offer",
                json={"type": "offer", "sdp": offer, "joinSeconds": join_s},
                headers={"authorization": f"Bearer {credential}"},
            )
        except httpx2.TransportError as error:
            logger.warning("webrtc.offer_not_passed_on", extra={"address": address, "reason": type(error).__name__})
            raise TooManyPeers(f"the process at {address} does not answer") from error
        if answer.status_code == httpx2.codes.BAD_REQUEST:
            raise OfferRefused(str(answer.json()["message"]))
        if answer.is_error:
            raise TooManyPeers(f"the process at {address} answered {answer.status_code}")
        sdp: str = answer.json()["sdp"]
        return sdp


@contextlib.asynccontextmanager
async def opened_web_calls(settings: Settings, own: LiveCalls) -> AsyncIterator[WebCalls]:
    """Peers over the calls of this process, ``own``. Their end is the end of the block."""
    wanted = WebRtcSettings(
        ice_servers=_ice_servers(settings), addresses=settings.webrtc_addresses, max_peers=settings.max_calls
    )
    async with WebRtcCalls(own, wanted) as calls:
        yield calls


@contextlib.asynccontextmanager
async def opened_routed_web_calls(
    settings: Settings, seat: Seat, own: WebCalls | None, secret: bytes
) -> AsyncIterator[WebCalls]:
    """Those of the installation: of this process, of the others on its data folder, and of CALLFOLD_MEDIA_URL."""
    me = seat.name

    def others() -> Iterable[str]:
        for running in seat.folder.beside(but=me):
            if running.role == "media":
                yield running.url
        if own is None and settings.media_url:
            yield settings.media_url

    timeout = httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
    async with httpx2.AsyncClient(timeout=timeout, trust_env=False) as client:
        yield RoutedWebCalls(own, others, secret, _ice_servers(settings), client)


def _ice_servers(settings: Settings) -> tuple[IceServer, ...]:
    return tuple(parse_ice_server(server.get_secret_value()) for server in settings.ice_servers)

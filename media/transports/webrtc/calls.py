"""Peers of this process: offers answered, calls held on them, and nothing left behind of those that do not come."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

import aioice.ice
from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.sdp import SessionDescription

from domain.live_calls import CallNotLive, CallRejected, LiveCalls
from domain.web_calls import IceServer, OfferRefused, TooManyPeers
from media.transports.webrtc.peer_socket import PeerSocket
from media.transports.webrtc.settings import WebRtcSettings

_log = logging.getLogger(__name__)

NO_CUSTOMER_AUDIO = "call.in-progress.error-assistant-did-not-receive-customer-audio"
"""The ended reason of a call whose browser has connected and sends no sound."""

JOIN_S = 15.0
"""How long a connected browser may take until its first sound, where nobody says otherwise."""
_LOOKS = 8
"""How often it is looked for packets in the time after which a browser that sends none has gone."""
_WANTED = ["application", "audio"]
_QUICK_MS = 10
_UNUSABLE = (ValueError, IndexError, KeyError, OperationError, InternalError, InvalidAccessError, InvalidStateError)
"""What aiortc raises for SDP that it cannot read or agree to."""


class WebRtcCalls:
    """``domain.web_calls.WebCalls`` over the calls of this process. Enter it on the loop that serves them."""

    def __init__(self, live_calls: LiveCalls, settings: WebRtcSettings) -> None:
        self._live_calls = live_calls
        self._settings = settings
        self._held: dict[str, asyncio.Task[None]] = {}
        self._answering: set[str] = set()
        self._joining = 0
        """Peers that have an answer and are not connected yet: each may become one more call."""
        self._group: asyncio.TaskGroup | None = None
        if settings.addresses:
            _offer_only(settings.addresses)

    async def __aenter__(self) -> WebRtcCalls:
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        group, self._group = self._group, None
        for task in list(self._held.values()):
            task.cancel()
        if group is not None:
            await group.__aexit__(None, None, None)

    @property
    def ice_servers(self) -> Sequence[IceServer]:
        """See ``WebCalls``."""
        return self._settings.ice_servers

    @property
    def peers(self) -> int:
        """How many are connected or connecting."""
        return len(self._held) + len(self._answering)

    async def answer(self, call_id: str, offer: str, *, join_s: float = JOIN_S) -> str:
        """See ``WebCalls``. What the peer does from then on is its own task's business. Raises ``OfferRefused``."""
        if self._group is None:
            raise TooManyPeers("the server is shutting down; try again later")
        if call_id in self._held or call_id in self._answering:
            raise OfferRefused("another browser is connected to the call, or about to be")
        if self.peers >= self._settings.max_peers:
            raise TooManyPeers(f"{self._settings.max_peers} browsers are connected here; try again later")
        if self._live_calls.room() <= self._joining + len(self._answering):
            raise TooManyPeers("no more calls are taken here; try again later")
        _check_offer(offer)
        self._answering.add(call_id)
        try:
            peer = _Peer(self._settings, packet_ms=_QUICK_MS if self.peers <= self._settings.quick_peers else None)
            answer = await peer.negotiate(offer)
            if self._group is None:
                await peer.close()
                raise TooManyPeers("the server is shutting down; try again later")
            task = self._group.create_task(self._hold(call_id, peer, join_s), name=f"webrtc-{call_id}")
            self._held[call_id] = task
            task.add_done_callback(lambda _: self._held.pop(call_id, None))
        finally:
            self._answering.discard(call_id)
        return answer

    async def _hold(self, call_id: str, peer: _Peer, join_s: float) -> None:
        try:
            self._joining += 1
            try:
                connected = await peer.connected()
            finally:
                self._joining -= 1
            if not connected:
                _log.info("webrtc.never_connected", extra={"call_id": call_id})
                return
            watching = asyncio.create_task(self._watch(call_id, peer, join_s), name=f"webrtc-watch-{call_id}")
            try:
                await self._live_calls.serve(call_id, peer.socket)
                await peer.socket.close(1000, "the call is over")
            except CallRejected as rejected:
                await peer.socket.close(rejected.code, rejected.reason)
            finally:
                watching.cancel()
        except Exception:
            # One browser's fault must not end the others' calls, which share the group of tasks.
            _log.exception("webrtc.failed", extra={"call_id": call_id})
        finally:
            await peer.close()

    async def _watch(self, call_id: str, peer: _Peer, join_s: float) -> None:
        """Notice that nobody is there, or not any more: whoever closes a laptop does not say goodbye."""
        try:
            async with asyncio.timeout(join_s):
                await peer.socket.incoming.begun.wait()
        except TimeoutError:
            with suppress(CallNotLive):
                await self._live_calls.end(call_id, NO_CUSTOMER_AUDIO)
            return
        await peer.silenced()


class _Peer:
    """One peer connection from its offer to its end. ``packet_ms`` is how much sound the browser is asked to put in a
    packet; its own habit (20 ms) where nothing is said."""

    def __init__(self, settings: WebRtcSettings, *, packet_ms: int | None) -> None:
        self.socket = PeerSocket(settings)
        self._packet_ms = packet_ms
        self._settings = settings
        # Without a list of servers aiortc would ask a public one.
        servers = [
            RTCIceServer(urls=server.url, username=server.username or None, credential=server.credential or None)
            for server in settings.ice_servers
        ]
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._connection.addTrack(self.socket.outgoing)
        self._connection.on("datachannel", self.socket.use_channel)
        self._connection.on("connectionstatechange", self._state_changed)
        self._settled = asyncio.Event()

    async def negotiate(self, offer: str) -> str:
        """The answer, with every candidate in it. Closes itself and raises ``OfferRefused`` when there is none."""
        (transceiver,) = self._connection.getTransceivers()
        capabilities = RTCRtpReceiver.getCapabilities("audio")
        codecs = capabilities.codecs if capabilities is not None else []
        transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "audio/opus"])
        self.socket.incoming.take_over(transceiver.receiver)
        try:
            async with asyncio.timeout(self._settings.connect_s):
                await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
                await self._connection.setLocalDescription(await self._connection.createAnswer())
        except TimeoutError:
            await self.close()
            raise TooManyPeers("the ICE servers did not answer in time; try again later") from None
        except _UNUSABLE as error:
            await self.close()
            raise OfferRefused(f"the offer cannot be agreed to: {error}") from error
        except BaseException:
            await self.close()
            raise
        sdp = self._connection.localDescription.sdp
        return sdp if self._packet_ms is None else _asking_for(self._packet_ms, sdp)

    async def connected(self) -> bool:
        """Wait until sound and messages can flow; ``False`` when they cannot, or not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.connect_s):
                await self._settled.wait()
                if self._connection.connectionState == "connected":
                    await self.socket.channel_open.wait()
                    return self._connection.connectionState == "connected"
        return False

    async def silenced(self) -> None:
        """Return when no packet has arrived for a while; the caller has gone then."""
        seen, in_vain = -1, 0
        # By looks and not by the clock: while this process stands still no packet is read, and the caller is there.
        while in_vain < _LOOKS:
            packets = self.socket.incoming.packets
            seen, in_vain = packets, (in_vain + 1 if packets == seen else 0)
            await asyncio.sleep(self._settings.media_lost_s / _LOOKS)
        self.socket.gone(f"no sound has arrived for {self._settings.media_lost_s:g} s")

    async def close(self) -> None:
        """Let go of sockets, threads and codecs."""
        self.socket.gone("the connection is closed")
        try:
            await self._connection.close()
        finally:
            self.socket.incoming.close()
            self.socket.outgoing.stop()

    def _state_changed(self) -> None:
        state = self._connection.connectionState
        if state not in ("new", "connecting"):
            self._settled.set()
        if state in ("failed", "closed"):
            self.socket.gone(f"the connection has {state}" if state == "failed" else "the connection was closed")


def _check_offer(offer: str) -> None:
    """Sound and messages, no less and no more: whatever else is offered would queue up unread."""
    try:
        sections = SessionDescription.parse(offer).media
    except _UNUSABLE as error:
        raise OfferRefused(f"the offer is no session description: {error}") from error
    except AssertionError as error:
        raise OfferRefused("the offer is no session description") from error
    kinds = sorted(section.kind for section in sections)
    if kinds != _WANTED:
        raise OfferRefused(
            f"the offer must have one audio section and one data channel; it has {', '.join(kinds) or 'nothing'}"
        )
    if not all(section.dtls and section.dtls.fingerprints for section in sections):
        raise OfferRefused("the offer has no fingerprint of the browser's certificate")


def _asking_for(packet_ms: int, answer: str) -> str:
    """The answer, with how much sound its reader should put in a packet."""
    return re.sub(r"(a=rtpmap:\d+ opus/48000/2\r\n)", rf"\g<1>a=ptime:{packet_ms}\r\n", answer, count=1)


def _offer_only(addresses: Sequence[str]) -> None:
    """aioice has no setting for the addresses that it binds to, and leaves out loopback ones."""

    def chosen(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [address for address in addresses if use_ipv6 or ":" not in address]

    aioice.ice.get_host_addresses = chosen

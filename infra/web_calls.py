"""Calls from browsers, opened with the settings of the installation."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from domain.live_calls import LiveCalls
from domain.web_calls import WebCalls, parse_ice_server
from infra.settings import Settings
from media.transports.webrtc.calls import WebRtcCalls
from media.transports.webrtc.settings import WebRtcSettings


@contextlib.asynccontextmanager
async def opened_web_calls(settings: Settings, own: LiveCalls) -> AsyncIterator[WebCalls]:
    """Peers over the calls of this process, ``own``. Their end is the end of the block."""
    wanted = WebRtcSettings(
        ice_servers=tuple(parse_ice_server(server.get_secret_value()) for server in settings.ice_servers),
        addresses=settings.webrtc_addresses,
        max_peers=settings.max_calls,
    )
    async with WebRtcCalls(own, wanted) as calls:
        yield calls

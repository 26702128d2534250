"""WebSockets to addresses that tenants gave. Nothing else under ``media`` connects any."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK, WebSocketException

from domain.egress import EgressPolicy, check_url
from media.egress.addresses import Resolve, judged_address, resolve

__all__ = ["ClientConnection", "ConnectionClosedOK", "GuardedSockets", "WebSocketException"]

LONGEST_MESSAGE: Final = 1 << 20
"""Bytes of one message from the other side."""


class GuardedSockets:
    """Connects to what ``policy`` allows. A redirect to another host is refused with a ``ValueError``."""

    def __init__(self, policy: EgressPolicy, *, resolve: Resolve = resolve) -> None:
        self._policy = policy
        self._resolve = resolve

    async def connection(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[ClientConnection]:
        """To be entered, which connects. Raises ``EgressBlocked``, and ``OSError`` where the host has no address."""
        parts = check_url("http" + url[2:] if url[:2].lower() == "ws" else url)
        host, tls = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        address = await judged_address(self._policy, self._resolve, host, port)
        return connect(
            parts._replace(scheme="wss" if tls else "ws").geturl(),
            host=str(address),
            port=port,
            server_hostname=host if tls else None,
            additional_headers=headers,
            max_size=LONGEST_MESSAGE,
            compression=None,
            proxy=None,
        )

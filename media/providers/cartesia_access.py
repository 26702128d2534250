"""Cartesia's SDK, pointed at the vendor or at a server of the operator's that speaks its protocol."""

from __future__ import annotations

import re
from typing import Final

from cartesia import AsyncCartesia, CartesiaError

from media.providers.errors import ProviderError, Stage
from media.providers.settings import VendorAccess
from media.providers.sockets import Sockets

PROVIDER: Final = "cartesia"


class CartesiaAccess:
    """One client and its sockets, shared by every call of the process."""

    def __init__(self, access: VendorAccess, stage: Stage) -> None:
        """Raises ``ProviderError`` (``not-configured``) without a key."""
        if not access.api_key:
            raise ProviderError(PROVIDER, stage, "not-configured", "set CARTESIA_API_KEY, or choose another provider")
        base_url = access.base_url or None
        socket_url = re.sub("^http", "ws", base_url) if base_url else None
        self.client = AsyncCartesia(
            api_key=access.api_key, base_url=base_url, websocket_base_url=socket_url, max_retries=0
        )
        self.sockets = Sockets(PROVIDER, (CartesiaError,))

    async def close(self) -> None:
        """After the last call."""
        await self.sockets.close()
        await self.client.close()

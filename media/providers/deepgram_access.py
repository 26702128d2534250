"""Deepgram's SDK, pointed at the vendor or at a server of the operator's that speaks its protocol."""

from __future__ import annotations

import re
from typing import Final

from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

from media.providers.errors import ProviderError, Stage
from media.providers.settings import VendorAccess
from media.providers.sockets import Sockets

PROVIDER: Final = "deepgram"


class DeepgramAccess:
    """One client and its sockets, shared by every call of the process."""

    def __init__(self, access: VendorAccess, stage: Stage) -> None:
        """Raises ``ProviderError`` (``not-configured``) without a key."""
        if not access.api_key:
            raise ProviderError(PROVIDER, stage, "not-configured", "set DEEPGRAM_API_KEY, or choose another provider")
        self.client = AsyncDeepgramClient(api_key=access.api_key, environment=_environment(access.base_url))
        self.sockets = Sockets(PROVIDER, (ApiError,))

    async def close(self) -> None:
        """After the last call."""
        await self.sockets.close()


def _environment(base_url: str) -> DeepgramClientEnvironment:
    if not base_url:
        return DeepgramClientEnvironment.PRODUCTION
    socket_url = re.sub("^http", "ws", base_url)
    return DeepgramClientEnvironment(base=base_url, production=socket_url, agent=socket_url, agent_rest=base_url)

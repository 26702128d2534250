"""Looking at a sound before an assistant has it: what a call would meet that fetches it from the same place."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec.structs import replace

from domain.egress import EgressBlocked, check_url
from domain.sound_links import SoundLink
from media.audio.sound_file import SoundUnreadable, decoded
from media.egress.client import HttpClient, HttpError, HttpTimeout, InvalidUrl

SECONDS: Final = 10.0
"""The longest that one look takes."""
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class SoundLooks:
    """Implements ``SoundLinks``. ``client`` must be guarded; as in calls it follows no redirects."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def look(self, url: str) -> SoundLink:
        """As ``SoundLinks.look``."""
        try:
            check_url(url)
        except EgressBlocked:
            return SoundLink(reason="invalid-url")
        try:
            async with asyncio.timeout(SECONDS):
                return await self._looked(url)
        except EgressBlocked:
            return SoundLink(reason="blocked-address")
        except (TimeoutError, HttpTimeout):
            return SoundLink(reason="timeout")
        except InvalidUrl:
            return SoundLink(reason="invalid-url")
        except HttpError:
            return SoundLink(reason="unreachable")

    async def _looked(self, url: str) -> SoundLink:
        answer = await self._client.get(url)
        found = SoundLink(status=answer.status_code, content_type=answer.headers.get("content-type"))
        if answer.status_code in _REDIRECTS:
            return replace(found, reason="too-many-redirects")
        if answer.status_code != 200:
            return replace(found, reason="http-error")
        try:
            await asyncio.to_thread(decoded, answer.content)
        except SoundUnreadable:
            return replace(found, reason="not-audio")
        return found

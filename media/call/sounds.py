"""Sounds that assistants name by URL, fetched once and kept for a while. One shelf per process."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic

from domain.egress import EgressBlocked
from media.audio.sound_file import SoundUnreadable, decoded
from media.egress.client import HttpClient, HttpError, InvalidUrl

FetchSound = Callable[[str], Awaitable[bytes]]
"""The sound at a URL, for one call. Raises ``SoundUnavailable``."""

_KEPT_S = 600.0


class SoundUnavailable(Exception):
    """The sound cannot be had; the message says why, without the URL, which may hold secrets."""


@dataclass(frozen=True, slots=True)
class _Kept:
    pcm: bytes
    until_s: float


class SoundShelf:
    """At most ``cap_bytes`` of decoded sound, least recently used out first."""

    def __init__(self, cap_bytes: int, *, now_s: Callable[[], float] = monotonic) -> None:
        self._cap = cap_bytes
        self._now_s = now_s
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def fetch(self, url: str, client: HttpClient) -> bytes:
        """16 kHz mono s16le. ``client`` must be guarded against inner addresses. Raises ``SoundUnavailable``."""
        kept = self._kept.get(url)
        if kept is not None and kept.until_s > self._now_s():
            self._kept.move_to_end(url)
            return kept.pcm
        try:
            response = await client.get(url)
        except (HttpError, InvalidUrl, EgressBlocked) as error:
            raise SoundUnavailable(f"it cannot be fetched ({type(error).__name__})") from error
        if response.status_code != HTTPStatus.OK:
            raise SoundUnavailable(f"its server answers {response.status_code}")
        try:
            pcm = await asyncio.to_thread(decoded, response.content)
        except SoundUnreadable as error:
            raise SoundUnavailable(str(error)) from error
        self._keep(url, pcm)
        return pcm

    def _keep(self, url: str, pcm: bytes) -> None:
        self._kept.pop(url, None)
        if len(pcm) > self._cap // 2:
            return
        self._kept[url] = _Kept(pcm, self._now_s() + _KEPT_S)
        while sum(len(each.pcm) for each in self._kept.values()) > self._cap:
            self._kept.popitem(last=False)

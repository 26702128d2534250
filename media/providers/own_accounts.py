"""Clients of vendors on organisations' own accounts: shared by the conversations of whoever has the same keys."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from domain.credentials.own_keys import OwnKey
from media.providers.errors import ProviderError
from media.providers.settings import ProviderSettings, VendorAccess

IDLE_S: Final = 120.0
"""How long clients that no conversation uses are kept, with their connections."""
MOST_IDLE: Final = 256

_DOMAINS: Final = {"deepgram": "deepgram.com", "cartesia": "cartesia.ai"}
"""Where a credential's ``apiUrl`` may lead: anywhere else our SDKs would be sent wherever a tenant likes."""


class Clients(Protocol):
    """What is shared."""

    async def close(self) -> None: ...


C = TypeVar("C", bound=Clients)


@dataclass(slots=True)
class _Kept(Generic[C]):
    clients: C
    users: int = 0
    idle_since_s: float = 0.0


class OwnAccounts(Generic[C]):
    """``make`` makes the clients for settings, ``settings`` are the installation's. Close it after the last call."""

    def __init__(
        self, make: Callable[[ProviderSettings], C], settings: ProviderSettings, now_s: Callable[[], float]
    ) -> None:
        self._make = make
        self._settings = settings
        self._now_s = now_s
        self._kept: OrderedDict[bytes, _Kept[C]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def lease(self, own: Mapping[str, OwnKey]) -> tuple[C, Callable[[], None]]:
        """The clients for these keys, and how they are given back. Raises ``ProviderError`` for an address that may
        not be used."""
        settings = with_own(self._settings, own)
        name = sha256(msgspec.json.encode({key: (own[key].api_key, own[key].base_url) for key in sorted(own)})).digest()
        kept = self._kept.get(name)
        if kept is None:
            kept = self._kept[name] = _Kept(self._make(settings))
        kept.users += 1
        leased = kept

        def give_back() -> None:
            leased.users -= 1
            leased.idle_since_s = self._now_s()
            self._tidy()

        return kept.clients, give_back

    async def close(self) -> None:
        """Close what is left."""
        kept, self._kept = self._kept, OrderedDict()
        for each in kept.values():
            await each.clients.close()
        if self._closing:
            await asyncio.wait(self._closing)

    def _tidy(self) -> None:
        idle = [(name, kept) for name, kept in self._kept.items() if not kept.users]
        idle.sort(key=lambda entry: entry[1].idle_since_s)
        for place, (name, kept) in enumerate(idle):
            if place < len(idle) - MOST_IDLE or self._now_s() - kept.idle_since_s > IDLE_S:
                del self._kept[name]
                task = asyncio.get_running_loop().create_task(kept.clients.close(), name="own-account-close")
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)


def with_own(settings: ProviderSettings, own: Mapping[str, OwnKey]) -> ProviderSettings:
    """The installation's settings with an organisation's own keys in their places. Addresses stay the installation's,
    unless the credential names another of the vendor's own. Raises ``ProviderError``."""
    vendors = dict(settings.vendors)
    for name, key in own.items():
        if key.api_key:
            vendors[name] = VendorAccess(key.api_key, _checked(name, key.base_url) or settings.vendor(name).base_url)
    return replace(settings, vendors=vendors)


def _checked(name: str, url: str) -> str:
    if not url:
        return ""
    parts, domain = urlsplit(url), _DOMAINS.get(name)
    host = parts.hostname or ""
    if parts.scheme != "https" or domain is None or not (host == domain or host.endswith(f".{domain}")):
        detail = "the credential's apiUrl is not one of the vendor's own https addresses"
        raise ProviderError(name, "model", "bad-request", detail)
    return url

"""From a host to the one address that is connected to, judged in the same step.

The name is resolved once for each connection and the connection goes to the address that was judged, so a second answer
of a name server cannot lead elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final

from domain.egress import Address, EgressPolicy

RESOLVE_SECONDS: Final = 2.0

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Addresses of a host, in order of preference. Raises ``OSError``."""


async def resolve(host: str, port: int) -> Sequence[Address]:
    """Ask the system's resolver, or nobody where ``host`` is an address already. Raises ``OSError``."""
    with contextlib.suppress(ValueError):
        return [ip_address(host)]
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(RESOLVE_SECONDS):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


async def judged_address(policy: EgressPolicy, resolve: Resolve, host: str, port: int) -> Address:
    """Where to connect for ``host``. Raises ``EgressBlocked``, and ``OSError`` where the host has no address."""
    try:
        addresses = await resolve(host, port)
    except (TimeoutError, UnicodeError) as error:
        raise OSError(f"cannot resolve {host}: {error or 'no answer in time'}") from error
    if not addresses:
        raise OSError(f"cannot resolve {host}: no address")
    for address in addresses:
        # A name with one inner and one public address is an attack or a mistake; both are refused.
        policy.check(host, address)
    return addresses[0]

"""Names of tenants' servers looked up on threads, a few at once for each organisation and never for long: the system's
resolver may take half a minute over a name whose servers are silent, and others are waiting."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUP_SECONDS: Final = 2.0
LOOKUPS_AT_ONCE: Final = 4

Found = Sequence[tuple[Any, ...]]
Lookup = Callable[[str, int, socket.AddressFamily], Found]


def look_up(host: str, port: int, family: socket.AddressFamily) -> Found:
    """Ask the system. Blocking. Raises ``OSError``."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)


class BoundedResolver(AbstractResolver):
    """Of one organisation, on the loop that uses it. ``pool`` is everybody's and larger than one organisation needs."""

    def __init__(self, pool: Executor, lookup: Lookup = look_up) -> None:
        self._pool = pool
        self._lookup = lookup
        self._room = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises ``OSError``, also where there is no answer in time."""
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                await self._room.acquire()
                asked = asyncio.get_running_loop().run_in_executor(self._pool, self._lookup, host, port, family)
                # The thread is taken until the resolver gives up, however soon we do.
                asked.add_done_callback(self._ended)
                found = await asyncio.shield(asked)
        except TimeoutError:
            raise OSError(f"no name server answered for {host} within {LOOKUP_SECONDS:g} s") from None
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """The pool is its owner's to close."""

    def _ended(self, asked: asyncio.Future[Found]) -> None:
        self._room.release()
        if not asked.cancelled():
            # Whoever asked may have given up by now.
            asked.exception()

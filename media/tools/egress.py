"""The guard on outgoing requests: resolve, check every address, and connect to the one that was checked.

The name is resolved once per request and the connection goes to that very address, so a second DNS answer cannot lead
elsewhere. TLS names, certificate checks and the Host header keep the original name. Redirects are not followed and
proxies of the environment are not used. Answers are asked for uncompressed and taken up to a limit, so that none can
fill the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address

import httpx

from domain.egress import Address, EgressBlocked, EgressPolicy, check_url

_RESOLVE_S = 2.0
ANSWER_CAP = 16 << 20
"""Bytes of one answer."""

Resolve = Callable[[str, int], Awaitable[list[Address]]]
"""Addresses of a host, in order of preference."""


async def resolve(host: str, port: int) -> list[Address]:
    """Ask the system's resolver, or nobody where ``host`` is an address already. Raises ``OSError``."""
    with contextlib.suppress(ValueError):
        return [ip_address(host)]
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_RESOLVE_S):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


@functools.cache
def _tls() -> ssl.SSLContext:
    """The process's one TLS context: building another takes tens of milliseconds, on the loop that serves calls."""
    return httpx.create_ssl_context(trust_env=False)


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport that connects only to addresses the policy allows.

    One inner transport per host name, so that a connection made for one name is never used for another at the same
    address.
    """

    def __init__(self, policy: EgressPolicy, *, resolve: Resolve = resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._tls = _tls()
        self._by_host: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        parts = check_url(str(request.url))
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._checked_address(host, port)
        headers = request.headers.copy()
        headers["host"] = request.headers.get("host", parts.netloc)
        headers["accept-encoding"] = "identity"
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=str(address)),
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        inner = self._by_host.get(host)
        if inner is None:
            inner = self._by_host[host] = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False)
        response = await inner.handle_async_request(pinned)
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            await response.aclose()
            raise httpx.DecodingError(f"answered with content encoding {coding} although identity was asked for")
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Limited(response.stream)
        return response

    async def aclose(self) -> None:
        for inner in self._by_host.values():
            await inner.aclose()
        self._by_host.clear()

    async def _checked_address(self, host: str, port: int) -> Address:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise httpx.ConnectError(f"cannot resolve {host}: {error}") from error
        if not addresses:
            raise httpx.ConnectError(f"cannot resolve {host}: no address")
        for address in addresses:
            # A name with one inner and one public address is an attack or a mistake; both are refused.
            self._policy.check(host, address)
        return addresses[0]


class _Limited(httpx.AsyncByteStream):
    """An answer's body up to ``ANSWER_CAP`` bytes; a longer one is an error of the server."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for piece in self._stream:
            taken += len(piece)
            if taken > ANSWER_CAP:
                raise httpx.RemoteProtocolError(f"the answer is longer than {ANSWER_CAP} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def guarded_client(policy: EgressPolicy, *, timeout_s: float, resolve: Resolve = resolve) -> httpx.AsyncClient:
    """A client for tenant-given URLs. Requests raise ``EgressBlocked`` besides httpx's own errors."""
    return httpx.AsyncClient(
        transport=GuardedTransport(policy, resolve=resolve),
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=False,
    )


__all__ = ["EgressBlocked", "GuardedTransport", "Resolve", "guarded_client", "resolve"]

"""The HTTP client for addresses that tenants gave, and the names of what it raises.

TLS names, certificate checks and the Host header keep the original name. Redirects are not followed and proxies of the
environment are not used. Answers are asked for uncompressed and taken up to a limit, so that none can fill the memory.
Nothing else under ``media`` imports the library.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from domain.egress import EgressPolicy, check_url
from media.egress.addresses import Resolve, judged_address, resolve

HttpClient = httpx2.AsyncClient
HttpTransport = httpx2.AsyncBaseTransport
HttpRequest = httpx2.Request
HttpResponse = httpx2.Response
HttpError = httpx2.HTTPError
NotConnected = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Errors that say of a request that it was never sent."""
HttpTimeout = httpx2.TimeoutException
InvalidUrl = httpx2.InvalidURL
Limits = httpx2.Limits
Timeout = httpx2.Timeout
Auth = httpx2.Auth

ANSWER_CAP: Final = 16 << 20
"""Bytes of one answer."""
MOST_HOSTS: Final = 128
"""Names whose connections are kept, of those that nobody asks at the moment."""


@functools.cache
def _tls() -> ssl.SSLContext:
    """The process's one TLS context: building another takes tens of milliseconds, on the loop that serves calls."""
    return httpx2.create_ssl_context(trust_env=False)


class GuardedTransport(httpx2.AsyncBaseTransport):
    """A transport that connects only to addresses the policy allows.

    One inner transport per host name, so that a connection made for one name is never used for another at the same
    address. The names asked last keep theirs.
    """

    def __init__(self, policy: EgressPolicy, *, resolve: Resolve = resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._tls = _tls()
        self._by_host: dict[str, _Host] = {}
        """Those asked last are last."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        parts = check_url(str(request.url))
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            address = await judged_address(self._policy, self._resolve, host, port)
        except OSError as error:
            raise httpx2.ConnectError(f"cannot resolve {host}: {error}") from error
        headers = request.headers.copy()
        headers["host"] = request.headers.get("host", parts.netloc)
        headers["accept-encoding"] = "identity"
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=str(address)),
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        asked = self._by_host.pop(host, None) or _Host(httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False))
        self._by_host[host] = asked
        asked.under_way += 1
        try:
            await self._forget()
            response = await asked.transport.handle_async_request(pinned)
        except BaseException:
            asked.under_way -= 1
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Limited(response.stream, asked)
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            await response.aclose()
            raise httpx2.DecodingError(f"answered with content encoding {coding} although identity was asked for")
        return response

    async def _forget(self) -> None:
        while len(self._by_host) > MOST_HOSTS:
            idle = next((host for host, asked in self._by_host.items() if not asked.under_way), None)
            if idle is None:
                return
            await self._by_host.pop(idle).transport.aclose()

    async def aclose(self) -> None:
        while self._by_host:
            _, asked = self._by_host.popitem()
            await asked.transport.aclose()


@dataclass(slots=True)
class _Host:
    transport: httpx2.AsyncHTTPTransport
    under_way: int = 0
    """Requests whose answers were not read to their end."""


class _Limited(httpx2.AsyncByteStream):
    """An answer's body up to ``ANSWER_CAP`` bytes; a longer one is an error of the server."""

    def __init__(self, stream: httpx2.AsyncByteStream, asked: _Host) -> None:
        self._stream = stream
        self._asked: _Host | None = asked

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for piece in self._stream:
            taken += len(piece)
            if taken > ANSWER_CAP:
                raise httpx2.RemoteProtocolError(f"the answer is longer than {ANSWER_CAP} bytes")
            yield piece

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if self._asked is not None:
                self._asked.under_way -= 1
                self._asked = None


class _Client(httpx2.AsyncClient):
    """Sends header values in UTF-8, which the library refuses with an error that is not its own."""

    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
        headers = options.pop("headers", None)
        if headers is not None and not isinstance(headers, httpx2.Headers):
            pairs = headers.items() if isinstance(headers, Mapping) else headers
            headers = [(name, _in_bytes(name, value)) for name, value in pairs]
        return super().build_request(method, url, headers=headers, **options)


def sendable(headers: Mapping[str, str]) -> dict[str, Any]:
    """``headers`` with their values in bytes, as clients take them too. Raises ``HttpError`` for one that cannot be
    sent: its name is not of ASCII."""
    return {name: _in_bytes(name, value) for name, value in headers.items()}


def _in_bytes(name: str | bytes, value: str | bytes) -> bytes:
    try:
        if isinstance(name, str):
            name.encode("ascii")
        return value if isinstance(value, bytes) else value.encode()
    except UnicodeEncodeError as error:
        raise httpx2.LocalProtocolError(f"a header that cannot be sent: {error.reason}") from None


def guarded_client(policy: EgressPolicy, *, timeout_s: float, resolve: Resolve = resolve) -> HttpClient:
    """A client for tenant-given URLs. Requests raise ``EgressBlocked`` besides the library's own errors."""
    return client_over(GuardedTransport(policy, resolve=resolve), timeout=Timeout(timeout_s))


def client_over(
    transport: HttpTransport,
    *,
    timeout: Timeout | None,
    headers: Mapping[str, str] | None = None,
    auth: Auth | None = None,
) -> HttpClient:
    """The same over a transport that is guarded already."""
    return _Client(
        transport=transport,
        timeout=timeout,
        headers=None if headers is None else sendable(headers),
        auth=auth,
        follow_redirects=False,
        trust_env=False,
    )

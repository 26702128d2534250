"""Sessions of aiohttp whose every connection is judged by the egress policy at the moment it is made.

The check sits where the socket is created, so names, address literals and second answers of a name server all pass
it. Redirects are the caller's to refuse (``allow_redirects=False``); proxies of the environment are not used.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver

from domain.egress import EgressBlocked, EgressPolicy

CONNECT_SECONDS: Final = 5.0
KEEP_ALIVE_SECONDS: Final = 60.0
HEADER_BYTES: Final = 16 << 10


class RefusedConnection(OSError):
    """``EgressBlocked`` in the form in which the client passes on why it could not connect."""

    def __init__(self, blocked: EgressBlocked) -> None:
        super().__init__(str(blocked))
        self.blocked = blocked


def guarded_session(
    policy: EgressPolicy, *, per_host: int, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """A session for URLs that tenants gave; to be made on the loop that uses it, and closed. ``per_host`` connections
    at most go to one host. Where a connection is refused the client's error has ``RefusedConnection`` as its cause."""

    def connect_socket(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        host = str(target[0])
        try:
            policy.check(host, ip_address(host.partition("%")[0]))
        except EgressBlocked as blocked:
            raise RefusedConnection(blocked) from None
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,
            limit_per_host=per_host,
            use_dns_cache=False,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            socket_factory=connect_socket,
            resolver=resolver,
        ),
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
    )

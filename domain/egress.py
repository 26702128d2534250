"""Which addresses outgoing requests to tenant-given URLs may reach. Pure: resolving and connecting are the caller's.

Tenants name servers that we then call from inside the operator's network, so everything that is not public Internet is
refused unless the operator allowed its network. The list of special ranges follows the IANA special-purpose address
registries (RFC 6890 and successors); it is written out because what ``ipaddress`` calls global differs by release.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class EgressBlocked(Exception):
    """A request was refused before anything was sent. ``rule`` names why; it never says what answered inside."""

    def __init__(self, target: str, rule: str) -> None:
        super().__init__(f"egress_blocked: {target}: {rule}")
        self.target = target
        self.rule = rule


_REFUSED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)

_METADATA: frozenset[Address] = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)
"""Instance metadata services of the large clouds: they hand out credentials to whoever asks."""

_EMBEDDING: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Prefixes that carry an IPv4 address, and how far it stands from the right end, in bits."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """``allowed`` networks may be reached although they are not public; metadata addresses stay refused even there."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, networks: Iterable[str]) -> EgressPolicy:
        """From CIDR texts. Raises ``ValueError`` that names the one that is none."""
        parsed: list[Network] = []
        for text in networks:
            try:
                parsed.append(ip_network(text.strip(), strict=False))
            except ValueError as error:
                raise ValueError(f"{text!r} is not a network in CIDR form, for example 10.1.0.0/16") from error
        return cls(tuple(parsed))

    def check(self, target: str, address: Address) -> None:
        """Raise ``EgressBlocked`` unless a connection for ``target`` to this very address is allowed."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            self.check(target, address.ipv4_mapped)
            return
        forms = (address, *_embedded(address))
        if any(form in _METADATA for form in forms):
            raise EgressBlocked(target, "a cloud metadata address")
        if self._is_allowed(address):
            return
        for form in forms:
            if any(form in network for network in _REFUSED) or form.is_multicast or form.is_reserved:
                raise EgressBlocked(target, "not a public address; allow its network in CALLFOLD_EGRESS_ALLOW")
        if not address.is_global:
            raise EgressBlocked(target, "not a public address; allow its network in CALLFOLD_EGRESS_ALLOW")

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self.allowed if network.version == address.version)


def _embedded(address: Address) -> list[IPv4Address]:
    if not isinstance(address, IPv6Address):
        return []
    found = [IPv4Address((int(address) >> shift) & 0xFFFF_FFFF) for network, shift in _EMBEDDING if address in network]
    if address.teredo is not None:
        found += list(address.teredo)
    return found


@lru_cache(4_096)
def check_url(url: str) -> SplitResult:
    """The parts of a URL that may be requested at all: http(s), a host, no user-info. Raises ``EgressBlocked``."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EgressBlocked(url[:200], "not a URL") from error
    if parts.scheme not in ("http", "https"):
        raise EgressBlocked(url[:200], "only http and https are requested")
    if not parts.hostname or len(parts.hostname) > 253:
        raise EgressBlocked(url[:200], "no host, or one longer than 253 characters")
    if parts.username is not None or parts.password is not None:
        raise EgressBlocked(f"{parts.scheme}://{parts.hostname}", "user and password do not belong into a URL")
    if port == 0:
        raise EgressBlocked(f"{parts.scheme}://{parts.hostname}", "port 0")
    return parts

"""Scheme, host and port of a URL: what an endpoint is told by (RFC 6454)."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


@lru_cache(4_096)
def origin_of(url: str) -> str:
    """Such as ``https://shop.example`` or ``http://[::1]:8080``. What is no URL at all is an origin of its own."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        return "invalid:"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port in (None, _PORTS.get(scheme)) else f"{scheme}://{shown}:{port}"


def without_query(url: str) -> str:
    """For people to read: queries may hold secrets."""
    return url.partition("#")[0].partition("?")[0]

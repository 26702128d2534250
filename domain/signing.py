"""URL tokens: proof that this server made a link, checkable without storing anything (HMAC-SHA256, RFC 2104).

A call's media and control URLs carry a token over the call id and what the URL may be used for, so that knowing a
call's id opens nothing and a listen URL cannot steer the call. Download links additionally carry their expiry.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Literal

Purpose = Literal["transport", "webrtc", "listen", "control", "forward"]
"""``forward`` is between our own processes: one asks another to act on a call that the other serves."""

DownloadVerdict = Literal["valid", "expired", "forged"]

MINIMUM_SECRET_BYTES = 16


def call_token(secret: bytes, call_id: str, purpose: Purpose) -> str:
    """The URL path segment that grants ``purpose`` on one call: 43 URL-safe characters."""
    return _mac(secret, "call", purpose, call_id)


def is_call_token(secret: bytes, call_id: str, purpose: Purpose, presented: str) -> bool:
    """Whether ``presented`` is the token for this call and purpose. Takes the same time for every wrong token."""
    return _equal(call_token(secret, call_id, purpose), presented)


def download_signature(secret: bytes, resource: str, expires_at: int) -> str:
    """Sign access to ``resource`` (a path) until ``expires_at`` (epoch seconds)."""
    return _mac(secret, "download", resource, str(expires_at))


def check_download(secret: bytes, resource: str, expires_at: int, presented: str, *, now: int) -> DownloadVerdict:
    """Judge a download link at ``now`` (epoch seconds). An altered expiry counts as forged, not as expired."""
    if not _equal(download_signature(secret, resource, expires_at), presented):
        return "forged"
    return "valid" if now < expires_at else "expired"


def _mac(secret: bytes, *parts: str) -> str:
    """MAC over length-prefixed parts, so that no two lists of parts can run together into the same message."""
    if len(secret) < MINIMUM_SECRET_BYTES:
        raise ValueError(f"the signing secret has {len(secret)} bytes; give at least {MINIMUM_SECRET_BYTES}")
    encoded = [part.encode() for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return urlsafe_b64encode(hmac.digest(secret, message, sha256)).rstrip(b"=").decode()


def _equal(expected: str, presented: str) -> bool:
    """Constant-time comparison; ``compare_digest`` refuses non-ASCII text, bytes it takes as they come."""
    return hmac.compare_digest(expected.encode(), presented.encode("utf-8", "surrogateescape"))

"""API keys: how one looks, and what is kept of it. Randomness comes from the caller."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from hashlib import sha256

from domain.organization.events import KeyTag

RANDOM_BYTES = 20
"""Entropy of a key; base32 writes 20 bytes without padding."""

_SHAPE = re.compile(r"callfold_(private|public)_[a-z2-7]{32}")


def format_key(tag: KeyTag, random: bytes) -> str:
    """A new key, such as ``callfold_private_mfrgg...``: the prefix lets people and secret scanners recognise it.

    Raises ``ValueError`` unless ``random`` holds exactly ``RANDOM_BYTES``.
    """
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a key takes {RANDOM_BYTES} random bytes, got {len(random)}")
    return f"callfold_{tag}_{b32encode(random).decode().lower()}"


def hash_key(key: str) -> str:
    """Hex SHA-256, the only thing that is kept. Keys are random, so a plain hash cannot be guessed back."""
    return sha256(key.encode()).hexdigest()


def key_random(secret: bytes, tag: KeyTag, key_id: str) -> bytes:
    """The random bytes of the key called ``key_id``: HMAC-SHA256 (RFC 2104) under the installation's secret.

    Whoever holds the secret can make the key again, which nobody else can tell from a random one. That is how a JSON
    Web Token that was signed with a private key can be checked although no key is kept. Raises ``ValueError`` for a
    secret of fewer than 16 bytes.
    """
    if len(secret) < 16:
        raise ValueError("the installation's secret needs 16 bytes or more")
    return hmac.digest(secret, f"callfold {tag} key\n{key_id}".encode(), "sha256")[:RANDOM_BYTES]


def key_tag(key: str) -> KeyTag | None:
    """What a text that looks like a key claims to be; ``None`` for any other text."""
    match _SHAPE.fullmatch(key):
        case None:
            return None
        case shaped:
            return "private" if shaped[1] == "private" else "public"

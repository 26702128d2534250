"""The chained hash over a shard's records: who holds a later link can prove that no earlier record was changed.

Each link is BLAKE2b (RFC 7693) over the link before it and the hash of the record, headers included. Readers
compute it, so writers need not agree on anything.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from domain.log.envelope import Record

HASH_BYTES = 32

GENESIS = bytes(HASH_BYTES)
"""The link before the first record."""


def record_hash(record: Record) -> bytes:
    """Hash of headers and value. Every part is preceded by its length, so no byte can move between parts."""
    parts: list[bytes] = []
    for name, content in record.headers:
        parts += (_prefix(name, len(content)), content)
    parts += (b"=%d:" % len(record.value), record.value)
    return blake2b(b"".join(parts), digest_size=HASH_BYTES).digest()


@lru_cache(4096)
def _prefix(name: str, length: int) -> bytes:
    """Names are few, and so are the lengths of what they name."""
    encoded = name.encode()
    return b"%d:%d:" % (len(encoded), length) + encoded


def link(previous: bytes, hashed_record: bytes) -> bytes:
    """The chain's value after a record, given its value before."""
    return blake2b(previous + hashed_record, digest_size=HASH_BYTES).digest()

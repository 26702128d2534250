"""The chained hash over a shard's records: who holds a later link can prove that no earlier record was changed.

Each link is BLAKE2b (RFC 7693) over the link before it and the hash of the record, headers included. Readers
compute it, so writers need not agree on anything.
"""

from __future__ import annotations

from hashlib import blake2b

from domain.log.envelope import Record

HASH_BYTES = 32

GENESIS = bytes(HASH_BYTES)
"""The link before the first record."""


def record_hash(record: Record) -> bytes:
    """Hash of headers and value. Every part is preceded by its length, so no byte can move between parts."""
    digest = blake2b(digest_size=HASH_BYTES)
    for name, content in record.headers:
        encoded = name.encode()
        digest.update(b"%d:%d:" % (len(encoded), len(content)))
        digest.update(encoded)
        digest.update(content)
    digest.update(b"=%d:" % len(record.value))
    digest.update(record.value)
    return digest.digest()


def link(previous: bytes, hashed_record: bytes) -> bytes:
    """The chain's value after a record, given its value before."""
    return blake2b(previous + hashed_record, digest_size=HASH_BYTES).digest()

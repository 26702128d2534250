"""Ids, keys and the time of day: the randomness and the clock that pure code gets as arguments."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime


def now() -> datetime:
    """Aware UTC."""
    return datetime.now(UTC)


def random_id() -> str:
    """A version 4 UUID."""
    return str(uuid.uuid4())


def time_ordered_id() -> str:
    """A version 7 UUID (RFC 9562): 48 bits of Unix milliseconds, 12 bits of the fraction of that one, then random.

    The fraction keeps ids of one process in order when several are made in one millisecond.
    """
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = (rest << 12) // 1_000_000
    high = (milliseconds << 16) | (0x7 << 12) | fraction
    low = (0b10 << 62) | (int.from_bytes(os.urandom(8)) >> 2)
    return str(uuid.UUID(int=(high << 64) | low))


def new_key() -> str:
    """An API key: 122 random bits, UUID-shaped as clients of this API expect."""
    return str(uuid.uuid4())

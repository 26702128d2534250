"""One hash for one state, so that a call folded live and the same call folded from the log can be compared."""

from __future__ import annotations

from hashlib import sha256

import msgspec


def state_hash(state: msgspec.Struct) -> str:
    """Hex SHA-256 of the state's canonical JSON.

    Canonical: dictionary keys sorted, and every value as it is after one trip through storage (a count of 5 written
    into a field of milliseconds is 5.0), so that it does not matter which side of storage a state comes from.
    """
    stored = msgspec.json.decode(msgspec.json.encode(state), type=type(state))
    return sha256(msgspec.json.encode(stored, order="deterministic")).hexdigest()

"""Which version of an assistant a new call gets, by the allocation in force."""

from __future__ import annotations

from hashlib import sha256

from domain.traffic.state import Allocation

_WHOLE = 100.0


def version_for(allocation: Allocation, call_id: str) -> str | None:
    """The version that the call is held with; ``None`` means the newest one.

    The share that a call falls into follows from its id, so that a decision that is made again is made the same way.
    """
    if allocation.intent != "explicit":
        return None
    at, bound, chosen = share(call_id) * _WHOLE, 0.0, None
    for target in allocation.targets:
        bound += target.percentage
        # The last target that gets calls at all also gets what rounding leaves over.
        chosen = target.assistant_version if target.percentage > 0 else chosen
        if at < bound:
            return target.assistant_version
    return chosen


def share(call_id: str) -> float:
    """A number in [0, 1), evenly spread over ids."""
    return int.from_bytes(sha256(call_id.encode()).digest()[:6]) / 2**48

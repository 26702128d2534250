"""Where a new organisation's events are to live. Decided once, recorded in ``organization.placed``, never moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from domain.organization.state import Organization


def emptiest_shard(shards: Sequence[int], organizations: Iterable[Organization]) -> int:
    """The shard with the fewest organisations, the lowest of them; ``shards`` is not empty.

    Shards may be added at any time: they then get the new organisations until they have as many.
    """
    placed = Counter(organization.shard or 0 for organization in organizations)
    return min(shards, key=lambda shard: (placed[shard], shard))

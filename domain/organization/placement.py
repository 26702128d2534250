"""Where a new organisation's events are to live. Decided once, recorded in ``organization.placed``, never moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from domain.log.ports import Documents
from domain.organization.state import Organization


def emptiest_shard(shards: Sequence[int], organizations: Iterable[Organization]) -> int:
    """The shard with the fewest organisations, the lowest of them; ``shards`` is not empty.

    Shards may be added at any time: they then get the new organisations until they have as many.
    """
    placed = Counter(organization.shard or 0 for organization in organizations)
    return min(shards, key=lambda shard: (placed[shard], shard))


def placement(documents: Documents, shards: Sequence[int]) -> int:
    """The same from the organisations there are. One shard needs no look at them."""
    if len(shards) == 1:
        return shards[0]
    everybody = documents.list("organization", limit=documents.count("organization"))
    return emptiest_shard(shards, (document.state for document in everybody))

"""Putting a call's fragments in order: the same answer whatever kept them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby

from domain.fragments import Fragment


def in_order(fragments: Iterable[tuple[str, Fragment]]) -> list[Fragment]:
    """Merge the fragments of several sources by time; a source's own order is never changed.

    They come as (source, fragment), sorted by source and seq.
    """
    runs = [
        _in_time([fragment for _, fragment in of_source]) for _, of_source in groupby(fragments, lambda found: found[0])
    ]
    return [fragment for _, fragment in heapq.merge(*runs, key=lambda timed: timed[0])]


def _in_time(fragments: Sequence[Fragment]) -> Iterator[tuple[float, Fragment]]:
    """Fragments with the time to merge by: the latest so far, since a mark may carry an earlier instant."""
    return zip(accumulate((fragment.at_ms for fragment in fragments), max), fragments, strict=True)

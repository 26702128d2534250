"""A frozen sequence that grows at its end without copying what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

CHUNK = 32
"""Items per full chunk: an append copies at most this many references, and one reference per chunk now and then."""


class AppendOnly(msgspec.Struct, Generic[T], frozen=True, array_like=True, gc=False):
    """Items in the order they were appended. A plain tuple would make the fold of a long history quadratic.

    Equal contents mean equal values, since the chunking depends on the number of items alone.
    """

    full: tuple[tuple[T, ...], ...] = ()
    tail: tuple[T, ...] = ()

    def appended(self, item: T) -> AppendOnly[T]:
        """This sequence with ``item`` at its end."""
        tail = (*self.tail, item)
        return AppendOnly(self.full, tail) if len(tail) < CHUNK else AppendOnly((*self.full, tail), ())

    def __iter__(self) -> Iterator[T]:
        for chunk in self.full:
            yield from chunk
        yield from self.tail

    def __len__(self) -> int:
        return len(self.full) * CHUNK + len(self.tail)

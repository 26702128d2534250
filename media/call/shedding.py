"""Which fragments go first when more wait than may: the oldest partials, then the oldest of the rest, never a final."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from domain.fragments import Fragment, FragmentBatch

SHED_FIRST = frozenset({"transcript.partial", "model.delta"})
SHED_INPUTS = frozenset({"PartialHeard", "ModelText"})
"""Inputs of the machine that are partials themselves."""
NEVER_SHED = frozenset({"transcript.final"})


def is_partial(fragment: Fragment) -> bool:
    """A later fragment says the same, and more."""
    return fragment.type in SHED_FIRST or (
        fragment.type == "machine.input" and fragment.data.get("input") in SHED_INPUTS
    )


def is_no_final(fragment: Fragment) -> bool:
    """Hard to miss, but to be missed before memory or disk are full."""
    return fragment.type not in NEVER_SHED


@dataclass(slots=True)
class Shedding:
    """Drops the oldest fragments that may ``go`` until ``excess`` is made up for, and counts them in their batches.

    ``cost`` is what one fragment takes up, in the unit of ``excess``. A batch of which nothing is left is dropped too;
    its count goes to the next one of the same source.
    """

    goes: Callable[[Fragment], bool]
    cost: Callable[[Fragment], int]
    excess: int
    _carried: dict[tuple[str, str], FragmentBatch] = field(default_factory=dict)

    def left(self, batches: Iterable[FragmentBatch]) -> Iterator[FragmentBatch]:
        """What stays of the batches, oldest first."""
        for batch in batches:
            kept = tuple(fragment for fragment in batch.fragments if not self._drops(fragment))
            source = (batch.call_id, batch.source)
            carried = self._carried.pop(source, None)
            dropped = batch.dropped + len(batch.fragments) - len(kept) + (carried.dropped if carried else 0)
            if dropped != batch.dropped:
                batch = msgspec.structs.replace(batch, fragments=kept, dropped=dropped)
            if kept:
                yield batch
            elif dropped:
                self._carried[source] = batch
        yield from self._carried.values()
        self._carried.clear()

    def _drops(self, fragment: Fragment) -> bool:
        if self.excess <= 0 or not self.goes(fragment):
            return False
        self.excess -= self.cost(fragment)
        return True

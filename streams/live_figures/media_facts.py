"""What fragments add to the live figures: how much recognition and models are saying, and what had to be shed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from domain.fragments import Fragment, PlacedBatch
from domain.processing import Effect, Rows

TABLE: Final = "live-media"
"""Rows are ``(org_id, call_id, source, seq of the first fragment, shed, (minute, seq, what) of each fragment)``, one a
batch; minutes are numbered from 1970."""

PARTIAL: Final = "partial"
PIECE: Final = "piece"
OTHER: Final = "other"

_WHAT: Final = {
    "transcript.partial": PARTIAL,
    "PartialHeard": PARTIAL,
    "model.delta": PIECE,
    "ModelText": PIECE,
}
"""By type, and for inputs of the call machine by which input it is."""

_MINUTE: Final = timedelta(minutes=1)
_LONGEST_MS: Final = 10 * 365 * 24 * 3_600_000.0
"""A time that lies further behind the beginning of its call is no time."""


@dataclass(frozen=True)
class LiveMedia:
    """Partial transcripts, pieces of a model's text, and all other fragments, by minute."""

    name: str = "live-media"
    version: int = 1

    def apply(self, partition: int, placed: PlacedBatch) -> Iterable[Effect]:
        """One row."""
        batch = placed.batch
        if not batch.fragments:
            return ()
        origin = batch.started_at.timestamp()
        counted = tuple(
            (
                int(origin + min(max(fragment.at_ms, 0.0), _LONGEST_MS) / 1000) // int(_MINUTE.total_seconds()),
                fragment.seq,
                _what(fragment),
            )
            for fragment in batch.fragments
        )
        first = batch.fragments[0].seq
        return (Rows(TABLE, ((batch.org_id, batch.call_id, batch.source, first, batch.dropped, counted),)),)


def _what(fragment: Fragment) -> str:
    named = fragment.data.get("input") if fragment.type == "machine.input" else fragment.type
    return _WHAT.get(named, OTHER) if isinstance(named, str) else OTHER

"""A parked event as the operator is shown it."""

from __future__ import annotations

from typing import Any, Final

from domain.processing import DeadLetter
from projections.tables.fragments import FragmentTable
from streams.live_figures.media_facts import LiveMedia

OF_FRAGMENTS: Final = frozenset({FragmentTable().name, LiveMedia().name})
"""Processors that take no events but batches of fragments, whose place is a partition and a number."""


def shown(letter: DeadLetter) -> dict[str, Any]:
    """``what`` is parked: an ``event``, or ``fragments``; then where it stands, whose it is, and why."""
    return {
        "processor": letter.processor,
        "what": "fragments" if letter.processor in OF_FRAGMENTS else "event",
        "originatorId": letter.originator_id,
        "position": str(letter.position),
        "attempt": letter.attempt,
        "reason": letter.reason,
    }

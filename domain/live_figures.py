"""What goes on right now: the figures of an organisation's calls over the last minutes, and where to ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

import msgspec

from domain.log.position import Position

MOST_MINUTES: Final = 60
"""How far back the figures reach."""


class ActiveCalls(msgspec.Struct, frozen=True, rename="camel"):
    """Calls that run, of one assistant; ``None`` for assistants that were given with the call itself."""

    assistant_id: str | None
    calls: int


class MediaFigures(msgspec.Struct, frozen=True, rename="camel"):
    """What was noted inside calls within one minute: partial transcripts, pieces of text from models, all fragments;
    and how many had to be shed because the log took them too slowly."""

    partial_transcripts: int
    model_pieces: int
    fragments: int
    fragments_shed: int


class MinuteFigures(msgspec.Struct, frozen=True, rename="camel"):
    """One minute by the clock, from ``time`` on. ``call_minutes`` are spoken within it, by calls that still run too."""

    time: datetime
    calls_started: int
    calls_ended: int
    call_minutes: float
    media: MediaFigures


class StageFigures(msgspec.Struct, frozen=True, rename="camel"):
    """How long a stage took (ms), over ``count`` turns. Quantiles are right to 2.5 % of themselves.

    ``stage`` is ``transcriber``, ``endpointing``, ``model``, ``voice`` or ``turn``, which is the whole wait.
    """

    stage: str
    assistant_id: str | None
    provider: str | None
    count: int
    p50: float
    p95: float
    p99: float


class LiveReport(msgspec.Struct, frozen=True, rename="camel"):
    """One organisation's figures. ``minutes`` are without gaps, oldest first; the last one is not over yet."""

    time: datetime
    active_calls: int
    by_assistant: tuple[ActiveCalls, ...]
    minutes: tuple[MinuteFigures, ...]
    stages: tuple[StageFigures, ...]


class LiveFigures(Protocol):
    """Keeps the figures, or reads what another process keeps. Asking costs no look at the log."""

    def report(self, org_id: str, now: datetime, minutes: int) -> LiveReport:
        """The last ``minutes`` (1 to ``MOST_MINUTES``) of one organisation."""

    def reports(self, now: datetime, minutes: int) -> Mapping[str, LiveReport]:
        """The same of every organisation that had any call."""

    def reached(self) -> Mapping[int, Position]:
        """Up to where each shard's events are counted."""

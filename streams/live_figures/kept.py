"""Live figures as they are asked for, wherever the entries are kept that they are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.live_figures import LiveReport
from domain.log.position import Position
from streams.live_figures.entries import Entry, Reached, shard_of
from streams.live_figures.report import report, reports


class EntrySource(Protocol):
    """A file of this process, or a copy of what another one publishes."""

    def entries(self) -> Sequence[tuple[str, Entry]]:
        """All of them, as of now."""


class KeptFigures:
    """Implements ``LiveFigures`` over the entries of calls, and those of their media where they are counted."""

    def __init__(self, calls: EntrySource, media: EntrySource | None = None) -> None:
        self._calls = calls
        self._sources = (calls,) if media is None else (calls, media)

    def report(self, org_id: str, now: datetime, minutes: int) -> LiveReport:
        """See ``LiveFigures.report``."""
        return report(self._entries(), org_id, now, minutes)

    def reports(self, now: datetime, minutes: int) -> Mapping[str, LiveReport]:
        """See ``LiveFigures.reports``."""
        return reports(self._entries(), now, minutes)

    def reached(self) -> Mapping[int, Position]:
        """See ``LiveFigures.reached``."""
        through = {shard_of(key): entry.through for key, entry in self._calls.entries() if isinstance(entry, Reached)}
        return {shard: Position(shard, through[shard]) for shard in sorted(through)}

    def _entries(self) -> list[tuple[str, Entry]]:
        return [entry for source in self._sources for entry in source.entries()]

"""A runner over a log in memory: a processor, a sink that checks its ranges, and a writer of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.call.events import CallRenamed
from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Effect, Rows
from streams.processing.checkpoints import CheckpointedSink
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Bulk, Pipeline
from tests.patience import PATIENCE_S
from tests.unit.streams.memory_log import MemoryLog

NOW = datetime(2026, 11, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Names:
    """Keeps all names a call was given so far; each event is a row of them. Fails on names in ``poison``."""

    poison: set[str] = field(default_factory=set)
    name: str = "names"
    version: int = 1
    handles: frozenset[str] | None = frozenset({CallRenamed.TYPE})

    def initial(self) -> tuple[str, ...]:
        return ()

    def apply(self, state: tuple[str, ...], event: Positioned) -> tuple[tuple[str, ...], Iterable[Effect]]:
        renamed = event.recorded.event
        assert isinstance(renamed, CallRenamed)
        if renamed.name in self.poison:
            raise ValueError(f"{renamed.name} is poison")
        state = (*state, str(renamed.name))
        row = event.position.ordinal, event.recorded.originator_id, ",".join(state)
        return state, [Rows("names", (row,))]


class MemorySink:
    """Implements ``RowSink`` strictly: ranges have no gaps, late ones add what is missing."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, str]] = {}
        self.ranges: list[tuple[int, int]] = []
        self.position = 0
        self.planned: int | None = None
        self.before_write: Callable[[int, int, Sequence[Rows]], None] = lambda first, last, rows: None

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        self.before_write(first.ordinal, last.ordinal, rows)
        if last.ordinal > self.position:
            assert first.ordinal == self.position + 1
            assert self.planned in (None, last.ordinal)
            self.position, self.planned = last.ordinal, None
            self.ranges.append((first.ordinal, last.ordinal))
        for part in rows:
            for ordinal, originator_id, names in part.rows:
                assert self.rows.setdefault(ordinal, (originator_id, names)) == (originator_id, names)

    def resume_from(self, shard: int) -> Position:
        return Position(shard, self.position)

    def planned_end(self, shard: int) -> Position | None:
        return None if self.planned is None else Position(shard, self.planned)

    def names(self, originator_id: str) -> list[str]:
        return [names for _, (owner, names) in sorted(self.rows.items()) if owner == originator_id]


class Writer:
    """Appends events of calls with gapless versions."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._versions: dict[str, int] = {}

    def event(self, originator_id: str, event: Event) -> Position:
        version = self._versions[originator_id] = self._versions.get(originator_id, 0) + 1
        return self._log.append(Recorded(originator_id, version, f"{originator_id}.{version}", NOW, event))

    def names(self, originator_id: str, *names: str) -> Position:
        for name in names:
            last = self.event(originator_id, CallRenamed(name=name))
        return last


@asynccontextmanager
async def running(
    log: MemoryLog,
    sink: MemorySink | CheckpointedSink,
    letters: Path,
    processor: Names | None = None,
    bulk: Bulk | None = None,
    **options: float,
) -> AsyncIterator[EmbeddedRunner]:
    dead_letters = DeadLetters(letters)
    pipeline = Pipeline(
        "names",
        (processor or Names(),),
        sink,
        bulk,
        batch_events=int(options.get("batch_events", 4)),
        window_seconds=options.get("window_seconds", 0.001),
        state_capacity=int(options.get("state_capacity", 100)),
    )
    runner = EmbeddedRunner(log, [pipeline], dead_letters, clock=lambda: NOW + timedelta(seconds=30))
    await runner.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield runner
    finally:
        await runner.stop()
        dead_letters.close()

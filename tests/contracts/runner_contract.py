"""What every runner must do with the same processors and the same history, whatever hosts it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from domain.call.events import MessageCommitted
from domain.log.ports import Commands, EventLog, Positioned
from domain.log.position import Position
from domain.processing import DeadLetter, Effect, Processor, Rows, SinkUnavailable
from projections.folds import CallTables, EventTable
from streams.live_figures.facts import LiveFacts
from streams.log.embedded import EmbeddedLog
from streams.processing.pipeline import Pipeline
from tests.contracts.call_history import append, call_id

NOW = datetime(2026, 11, 21, 9, 5, tzinfo=UTC)


class RowFile:
    """A ``RowSink`` in a SQLite file that survives its process: rows and position change in one transaction."""

    def __init__(self, path: Path, *, gapless: bool = True) -> None:
        self._path = path
        self._gapless = gapless
        self.before_write: Callable[[Position, Position], None] = lambda first, last: None
        with closing(self._open()) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS rows (name TEXT, row TEXT, PRIMARY KEY (name, row))")
            connection.execute("CREATE TABLE IF NOT EXISTS positions (shard INTEGER PRIMARY KEY, ordinal INTEGER)")

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        self.before_write(first, last)
        made = [(part.table, json.dumps(row, default=str)) for part in rows for row in part.rows]
        reached = self.resume_from(last.shard)
        with closing(self._open()) as connection, connection:
            if last > reached:
                begins = first.ordinal == reached.ordinal + 1 if self._gapless else first > reached
                assert begins, "a range must begin where the last one ended"
                connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (last.shard, last.ordinal))
                connection.executemany("INSERT INTO rows VALUES (?, ?)", made)
            else:
                connection.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?)", made)

    def resume_from(self, shard: int) -> Position:
        with closing(self._open()) as connection, connection:
            found = connection.execute("SELECT ordinal FROM positions WHERE shard = ?", (shard,)).fetchone()
        return Position(shard, found[0] if found else 0)

    def planned_end(self, shard: int) -> Position | None:
        return None

    def rows(self) -> list[tuple[str, str]]:
        with closing(self._open()) as connection, connection:
            return connection.execute("SELECT name, row FROM rows ORDER BY name, row").fetchall()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)


@dataclass(frozen=True)
class Sensitive:
    """Passes events on to ``inner``, but fails on messages with one of these texts."""

    inner: Processor[Any]
    poison: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def version(self) -> int:
        return self.inner.version

    @property
    def handles(self) -> frozenset[str] | None:
        return self.inner.handles

    def initial(self) -> Any:
        return self.inner.initial()

    def apply(self, state: Any, event: Positioned) -> tuple[Any, Iterable[Effect]]:
        happened = event.recorded.event
        if isinstance(happened, MessageCommitted) and happened.text in self.poison:
            raise ValueError(f"{happened.text} is poison")
        return self.inner.apply(state, event)


class Hosted(Protocol):
    """A runner at work."""

    async def reached(self, position: Position) -> None: ...

    async def retry(self, processor: str, originator_id: str) -> int: ...

    def letters(self) -> list[DeadLetter]: ...


class CallLog(Commands, EventLog, Protocol):
    """What the histories are appended to and read from."""


Hosting = Callable[[Pipeline], AbstractAsyncContextManager[Hosted]]
"""Host a pipeline on the implementation's log, as a process would; twice in a test is a restart."""


def processors(poison: set[str] | None = None) -> tuple[Processor[Any], ...]:
    return (Sensitive(CallTables(), poison or set()), EventTable(), LiveFacts())


class RunnerContract:
    """Subclasses give the fixtures ``log`` (empty) and ``hosting``."""

    @pytest.fixture
    def sink(self, tmp_path: Path) -> RowFile:
        return RowFile(tmp_path / "rows.db")

    async def test_rows_are_those_of_a_plain_fold(
        self, log: CallLog, hosting: Hosting, sink: RowFile, tmp_path: Path
    ) -> None:
        last = await append(log, range(12))
        async with hosting(Pipeline("contract", processors(), sink)) as hosted:
            await hosted.reached(last)
            # What comes while it runs is dealt with like what was there.
            await hosted.reached(await append(log, range(12, 16)))
        assert sink.rows() == await plain_rows(tmp_path, range(12), range(12, 16))

    async def test_a_poisoned_event_parks_what_follows_it_and_nothing_else(
        self, log: CallLog, hosting: Hosting, sink: RowFile, tmp_path: Path
    ) -> None:
        last = await append(log, range(8))
        poison = {"call 3"}
        async with hosting(Pipeline("contract", processors(poison), sink)) as hosted:
            await hosted.reached(last)
            letters = hosted.letters()
            history = log.history(call_id(3))
            fault = next(event for event in history if isinstance(event.recorded.event, MessageCommitted))
            behind = [event.position for event in history if event.position >= fault.position]
            assert [letter.position for letter in letters] == behind
            assert {(letter.processor, letter.originator_id) for letter in letters} == {("call-tables", call_id(3))}
            assert "call 3 is poison" in letters[0].reason
            whole = await plain_rows(tmp_path, range(8))
            missing = set(whole) - set(sink.rows())
            assert missing
            assert all(call_id(3) in row for _, row in missing)

            # Still poisoned: it is tried, fails, and the order stands.
            assert await hosted.retry("call-tables", call_id(3)) == 0
            assert [letter.attempt for letter in hosted.letters()] == [2, *([1] * (len(behind) - 1))]
            poison.clear()
            assert await hosted.retry("call-tables", call_id(3)) == len(behind)
            assert hosted.letters() == []
        assert sink.rows() == whole

    async def test_parked_events_stay_parked_over_a_restart(
        self, log: CallLog, hosting: Hosting, sink: RowFile, tmp_path: Path
    ) -> None:
        poison = {"call 1"}
        half = await append(log, range(3))
        async with hosting(Pipeline("contract", processors(poison), sink)) as hosted:
            await hosted.reached(half)
            parked = len(hosted.letters())
            assert parked
        poison.clear()
        last = await append(log, range(3, 5))
        async with hosting(Pipeline("contract", processors(poison), sink)) as hosted:
            await hosted.reached(last)
            assert len(hosted.letters()) == parked
            assert await hosted.retry("call-tables", call_id(1)) == parked
        assert sink.rows() == await plain_rows(tmp_path, range(3), range(3, 5))

    async def test_a_sink_that_is_away_holds_everything_back_and_loses_nothing(
        self, log: CallLog, hosting: Hosting, sink: RowFile, tmp_path: Path
    ) -> None:
        refusals = 0

        def away(first: Position, last: Position) -> None:
            nonlocal refusals
            refusals += 1
            if refusals <= 3:
                raise SinkUnavailable("away")

        sink.before_write = away
        last = await append(log, range(4))
        async with hosting(Pipeline("contract", processors(), sink)) as hosted:
            await hosted.reached(last)
        assert refusals > 3
        assert sink.rows() == await plain_rows(tmp_path, range(4))


async def plain_rows(folder: Path, *parts: range) -> list[tuple[str, str]]:
    """The rows that a loop without any runner makes of the same calls, on a log in a file."""
    numbers = count()
    log = EmbeddedLog.open(folder / "plain.db", clock=lambda: NOW, new_id=lambda: f"id-{next(numbers)}")
    try:
        for calls in parts:
            await append(log, calls)
        made = []
        for processor in processors():
            states: dict[str, Any] = {}
            for event in log.read(Position(0, 0), 100_000):
                recorded = event.recorded
                if processor.handles is None or recorded.event.TYPE in processor.handles:
                    state = states.get(recorded.originator_id, processor.initial())
                    states[recorded.originator_id], effects = processor.apply(state, event)
                    made += [(part.table, json.dumps(row, default=str)) for part in effects for row in part.rows]
        return sorted(made)
    finally:
        log.close()

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from domain.log.ports import Positioned
from domain.processing import Rows
from projections import schema
from projections.folds import PROCESSORS
from projections.store import AnalyticsStore
from streams.processing.dead_letters import DeadLetters


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalyticsStore]:
    """A migrated, empty store. One process may own one folder, so it is closed before the next module opens its own."""
    opened = AnalyticsStore.open(tmp_path_factory.mktemp("analytics") / "clickhouse")
    schema.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[DeadLetters]:
    opened_letters = DeadLetters(tmp_path / "dead.db")
    yield opened_letters
    opened_letters.close()


def folded(events: Sequence[Positioned]) -> list[Rows]:
    """The rows that the projection's processors make of a log, straight through."""
    states: dict[tuple[str, str], Any] = {}
    rows: list[Rows] = []
    for event in events:
        for processor in PROCESSORS:
            if processor.handles is None or event.recorded.event.TYPE in processor.handles:
                key = processor.name, event.recorded.originator_id
                state, made = processor.apply(states.get(key, processor.initial()), event)
                states[key] = state
                rows.extend(made)
    return rows


def rows_of(rows: Sequence[Rows], table: str) -> list[tuple[Any, ...]]:
    return [row for part in rows if part.table == table for row in part.rows]

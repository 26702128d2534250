"""What tests of folding in other processes share: a log that those open for themselves, and what the tables hold."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from domain.log.ports import Positioned
from domain.log.position import Position
from projections.comparison import TableHash, table_hash
from projections.store import AnalyticsStore
from projections.tables.catalogue import TABLES
from streams.processing.fold_worker import SharedLog
from tests.unit.projections.histories import on_log
from tests.unit.streams.memory_log import MemoryLog

LOG = on_log(33, 12, turns=3)
"""Calls run into each other, so that most states have to live on across its middle."""
END = Position(0, len(LOG))
BAD = Position(0, 150)
"""Of the event that a test's processor refuses."""


@contextmanager
def opened(shard: int) -> Iterator[SharedLog]:
    """The log, for a process that folds it."""
    yield MemoryLog(LOG)


class Deadly(MemoryLog):
    """Kills the process that reads beyond a quarter, without a chance to clean up."""

    def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]:
        if after.ordinal > len(self.events) // 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(after, limit, types)


@contextmanager
def opened_deadly(shard: int) -> Iterator[SharedLog]:
    """The log, for a process that does not survive reading it."""
    yield Deadly(LOG)


def empty(store: AnalyticsStore) -> None:
    """Take everything out of the tables, and what the sink knows of them."""
    for table in (*(table.physical for table in TABLES), "sink_ranges"):
        store.client().command(f"TRUNCATE TABLE {table}")


def contents(store: AnalyticsStore, end: Position = END) -> dict[str, TableHash]:
    """What each table holds of the log up to ``end``."""
    return {table.name: table_hash(store, table.physical, end) for table in TABLES}

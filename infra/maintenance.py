"""Upkeep of derived data, as the operator's routes ask for it: rebuilding the tables, and dead letters."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from domain.aggregate import Refused
from domain.log.ports import EventLog
from domain.log.position import Position
from domain.processing import EncodedRows, EncodedRowSink, Replay, Rows
from infra.dead_letters import shown
from projections.encoding import encode_rows
from projections.folds import PROCESSORS
from projections.rebuild import Rebuilt, drop_replaced, rebuild
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.table import Table
from projections.tables.catalogue import BY_NAME, MARKER, TABLES
from streams.log.reading import opened_shard
from streams.log.sharded import ShardedLog
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.feeding import FragmentFollower
from streams.processing.fold_workers import Workers
from streams.processing.parallel_replay import ParallelReplay

MOST_WORKERS = 4
"""Processes that fold a rebuild. The engine, which takes in what they make, keeps up with no more."""


class EmbeddedMaintenance:
    """Implements ``api.dependencies.Maintenance`` over the runner of each shard, the store that they fill, and what
    follows the fragments, where it does."""

    def __init__(
        self,
        runners: Mapping[int, EmbeddedRunner],
        letters: DeadLetters,
        log: EventLog,
        store: AnalyticsStore,
        sink: ClickHouseSink,
        fragments: FragmentFollower | None = None,
    ) -> None:
        self._runners = runners
        self._letters = letters
        self._log = log
        self._store = store
        self._sink = sink
        self._fragments = fragments
        self._rebuilding = asyncio.Lock()
        self._progress = _Progress([])
        self._progress.running = False

    async def rebuild(
        self, projection: str | None, version: int | None = None, *, keep_replaced: bool = True
    ) -> dict[str, Any]:
        """Make one table, or all, again from position 0 of every shard, compare, and swap.

        The tables that were live before are kept until the next rebuild or ``drop_replaced``, if wanted. Raises
        ``Refused`` for an unknown name, and for a version of a table that this code does not write.
        """
        tables = _chosen(projection, version)
        async with self._rebuilding:
            self._progress = progress = _Progress([self._log.head(shard) for shard in sorted(self._runners)])
            try:
                rebuilt = await asyncio.to_thread(self._rebuild, tables, progress, keep_replaced)
            finally:
                progress.running = False
        seconds = time.monotonic() - progress.began
        versions = {table.name: table.version for table in tables}
        return {
            "positions": [str(position) for position in rebuilt.positions],
            "comparedAt": [str(position) for position in rebuilt.compared_at],
            "equal": rebuilt.equal,
            "failedEvents": rebuilt.failed_events,
            "events": sum(position.ordinal for position in rebuilt.positions),
            "seconds": round(seconds, 3),
            "replacedTablesKept": keep_replaced,
            "tables": [
                {
                    "table": c.table,
                    "version": versions[c.table],
                    "newestRows": c.newest,
                    "rows": c.rebuilt.rows,
                    "hash": c.rebuilt.hash,
                    "equal": c.equal,
                }
                for c in rebuilt.comparisons
            ],
        }

    async def rebuild_progress(self) -> dict[str, Any]:
        """``running``, and how far the rebuild is or was: ``events`` of ``totalEvents``, and ``seconds`` so far."""
        return self._progress.shown()

    async def drop_replaced(self) -> dict[str, Any]:
        """Drop the tables that rebuilds have replaced."""
        async with self._rebuilding:
            return {"dropped": list(await asyncio.to_thread(drop_replaced, self._store))}

    async def tables(self) -> dict[str, Any]:
        """How far the tables are behind the log, by shard, and behind the fragment log, by partition.

        Raises ``LogUnavailable``.
        """
        return await asyncio.to_thread(self._behind)

    def _behind(self) -> dict[str, Any]:
        shards = {}
        for shard, runner in self._runners.items():
            for status in runner.status().values():
                shards[str(shard)] = {
                    "position": str(status.position),
                    "lagEvents": status.lag.events,
                    "lagSeconds": round(status.lag.seconds, 3),
                    "parkedEvents": status.parked,
                    "writtenEvents": status.events,
                    "writtenRows": status.rows,
                    "batches": status.batches,
                    "retries": status.retries,
                    "failure": status.failure,
                }
        if self._fragments is None:
            return {"shards": shards}
        fed = self._fragments.status()
        behind = {str(partition): batches for partition, batches in fed.behind.items()}
        return {
            "shards": shards,
            "fragments": {
                "lagBatches": behind,
                "lagSeconds": {str(partition): round(late, 3) for partition, late in fed.seconds.items()},
                "writtenBatches": fed.batches,
                "failure": fed.failure,
            },
        }

    async def dead_letters(self) -> list[dict[str, Any]]:
        """Events whose processor failed, and those held behind them, in the order of the log."""
        return [shown(letter) for letter in self._letters.list()]

    async def retry_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        """Give an originator's held events to the processor again, in order; ends at the first that fails again.

        Raises ``Refused`` for a processor that is not hosted here.
        """
        self._check_hosted(processor)
        held = self._letters.list(processor, originator)
        if self._fragments is not None and processor in self._of_fragments():
            processed = await self._fragments.retry(processor, originator)
        else:
            runner = self._runners[held[0].position.shard if held else min(self._runners)]
            processed = await runner.retry(processor, originator)
        return {"processed": processed, "waiting": len(self._letters.list(processor, originator))}

    async def drop_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        """Pass over an originator's held events for ever; the rows they should have made are missing from then on.

        Raises ``Refused`` for a processor that neither is hosted here nor, as one of an earlier build, has held events.
        """
        letters = self._letters.list(processor, originator)
        if not letters:
            self._check_hosted(processor)
        for letter in letters:
            self._letters.drop(processor, letter.position)
        return {"dropped": len(letters)}

    def _check_hosted(self, processor: str) -> None:
        names = {hosted.name for hosted in PROCESSORS} | self._of_fragments()
        if processor not in names:
            choice = " or ".join(sorted(names))
            raise Refused(f"There is no processor {processor}.", field="processor", fix=f"Choose {choice}.")

    def _of_fragments(self) -> set[str]:
        return {hosted.name for hosted in self._fragments.pipeline.processors} if self._fragments else set()

    def _rebuild(self, tables: Sequence[Table], seen: _Progress, keep_replaced: bool) -> Rebuilt:
        replay = self._replay()
        names = frozenset(table.name for table in tables)

        def replay_chosen(sink: EncodedRowSink, until: Position, progress: Callable[[Position], None]) -> int:
            return replay(_ChosenTables(sink, names), until, progress)

        return rebuild(
            self._store,
            replay_chosen,
            self._sink,
            until=seen.until,
            progress=seen.reached,
            tables=tables,
            keep_replaced=keep_replaced,
        )

    def _replay(self) -> Replay:
        """In processes of their own where they can open the log too."""
        return ParallelReplay(self._log, PROCESSORS, self._letters, encode=encode_rows, workers=fold_workers(self._log))


def fold_workers(log: EventLog) -> Workers | None:
    """Processes that fold along with this one, as many as there are cores for; none where they cannot open the log."""
    count = min(len(os.sched_getaffinity(0)), MOST_WORKERS)
    if count == 1 or not isinstance(log, ShardedLog):
        return None
    return Workers(partial(opened_shard, log.files), count)


class _Progress:
    """How far a rebuild is. Written by its thread, read by others."""

    def __init__(self, until: Sequence[Position]) -> None:
        self.until = tuple(until)
        self.began = time.monotonic()
        self.running = True
        self._reached: dict[int, int] = {}

    def reached(self, position: Position) -> None:
        self._reached[position.shard] = position.ordinal

    def shown(self) -> dict[str, Any]:
        events, total = sum(self._reached.values()), sum(head.ordinal for head in self.until)
        # What arrives meanwhile is folded as well.
        return {
            "running": self.running,
            "events": events,
            "totalEvents": max(events, total),
            "seconds": round(time.monotonic() - self.began, 3) if self.running else None,
        }


@dataclass(frozen=True, slots=True)
class _ChosenTables:
    """An ``EncodedRowSink`` that passes on the rows of some tables only: the folds know all of them."""

    sink: EncodedRowSink
    names: frozenset[str]

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        self.sink.write(first, last, [part for part in rows if part.table in self.names])

    def write_encoded(self, first: Position, last: Position, rows: Mapping[str, EncodedRows]) -> None:
        self.sink.write_encoded(first, last, {name: of_table for name, of_table in rows.items() if name in self.names})

    def resume_from(self, shard: int) -> Position:
        return self.sink.resume_from(shard)

    def planned_end(self, shard: int) -> Position | None:
        return self.sink.planned_end(shard)


def _chosen(projection: str | None, version: int | None) -> Sequence[Table]:
    if projection is None:
        if version is not None:
            raise Refused("A version belongs to one table.", field="version", fix="Name it with projection.")
        return TABLES
    if projection not in BY_NAME:
        fix = f"Choose one of {', '.join(sorted(BY_NAME))}, or none for all."
        raise Refused(f"There is no table {projection}.", field="projection", fix=fix)
    table = BY_NAME[projection]
    if version not in (None, table.version):
        fix = f"Choose version {table.version}, or run the build of callfold that writes version {version}."
        raise Refused(f"This build writes version {table.version} of {projection}.", field="version", fix=fix)
    return (table,) if table is MARKER else (table, MARKER)

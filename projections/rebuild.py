"""Making the tables again from the log, beside the live ones, and putting them in their place when they are ready.

Readers never see a gap: the live tables stay and go on growing until the new ones stand at the same position; then,
with the live sink paused for that moment, each pair changes places atomically and the views are pointed at this
code's versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.log.position import Position
from domain.processing import Replay
from projections.comparison import Comparison, compared, expiries
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.table import Table, quoted
from projections.tables.catalogue import MARKER, TABLES
from projections.tables.deleted_calls import TABLE as DELETED

BESIDE = "_rebuild"
"""Suffix of the tables that are being filled."""

REPLACED = "_replaced"
"""Suffix of the tables that were live before."""


@dataclass(frozen=True)
class Rebuilt:
    """By shard: the comparisons hold up to ``compared_at``, and the tables stand at ``positions``.

    ``failed_events`` were passed over, and those behind them, because their processor raised.
    """

    positions: tuple[Position, ...]
    compared_at: tuple[Position, ...]
    comparisons: tuple[Comparison, ...]
    failed_events: int

    @property
    def equal(self) -> bool:
        return all(comparison.equal for comparison in self.comparisons)


def rebuild(
    store: AnalyticsStore,
    replay: Replay,
    live: ClickHouseSink,
    *,
    until: Sequence[Position],
    progress: Callable[[Position], None] = lambda position: None,
    tables: Sequence[Table] = TABLES,
    marker: Table = MARKER,
    keep_replaced: bool = True,
) -> Rebuilt:
    """Fill new tables up to ``until`` (the head of each shard of the log), compare them with the live ones, and swap.

    With some of the live sink's tables alone (the marker must be among them) it goes no further than that sink
    stands: the marker would otherwise say of the other tables that they hold what they have not got yet.

    Blocking. The tables that were live are kept under the suffix ``_replaced`` until the next rebuild, or dropped.
    Raises ``SinkUnavailable``; the live tables are untouched then, and the next rebuild begins anew.
    """
    if not {table.name for table in live.tables} <= {table.name for table in tables}:
        until = [min(head, live.resume_from(head.shard)) for head in until]
    _drop(store, tables, BESIDE)
    client = store.client()
    expiry = expiries(store)
    for table in tables:
        for statement in table.create_statements(BESIDE):
            client.command(statement)
        for name in table.names():
            if name in expiry:
                client.command(f"ALTER TABLE {name}{BESIDE} MODIFY TTL {expiry[name]}")
    beside = ClickHouseSink(store, tables=tables, marker=marker, suffix=BESIDE)
    failed = {head.shard: replay(beside, head, progress) for head in until}
    # What arrived meanwhile, so that the live sink waits for the last of it only.
    for head in until:
        if beside.resume_from(head.shard) < (live_at := live.resume_from(head.shard)):
            failed[head.shard] += replay(beside, live_at, progress)
    with live.paused():
        for head in until:
            if beside.resume_from(head.shard) < (live_at := live.resume_from(head.shard)):
                failed[head.shard] += replay(beside, live_at, progress)
        positions = tuple(beside.resume_from(head.shard) for head in until)
        compared_at = tuple(min(position, live.resume_from(position.shard)) for position in positions)
        comparisons = compared(store, tables, BESIDE, compared_at)
        # The marker's table last: until it is swapped the others are at or beyond what it says.
        for table in sorted(tables, key=lambda table: table is marker):
            for name in table.names():
                client.command(f"EXCHANGE TABLES {name} AND {name}{BESIDE}")
        point_views(store, tables)
    _drop(store, tables, REPLACED)
    if not keep_replaced:
        _drop(store, tables, BESIDE)
    else:
        for table in tables:
            for name in table.names():
                client.command(f"RENAME TABLE {name}{BESIDE} TO {name}{REPLACED}")
    return Rebuilt(positions, compared_at, comparisons, sum(failed.values()))


def point_views(store: AnalyticsStore, tables: Sequence[Table] = TABLES) -> None:
    """Let the plain names show the versions of the tables that this code writes; readers see one or the other."""
    client = store.client()
    deleted = next((table for table in tables if table.name == DELETED.name), DELETED).physical
    for table in tables:
        client.command(table.view_sql(deleted_calls=deleted, name=f"{table.name}{BESIDE}"))
        client.command(f"EXCHANGE TABLES {table.name} AND {table.name}{BESIDE}")
        client.command(f"DROP VIEW {table.name}{BESIDE} SYNC")


def drop_replaced(store: AnalyticsStore, tables: Sequence[Table] = TABLES) -> tuple[str, ...]:
    """Drop the tables that rebuilds have replaced; the names of those that there were."""
    there = {row[0] for row in store.client().query("SHOW TABLES").result_rows}
    names = tuple(name for table in tables for name in table.names(REPLACED) if name in there)
    _drop(store, tables, REPLACED)
    return names


def _drop(store: AnalyticsStore, tables: Sequence[Table], suffix: str) -> None:
    """Tables, and the ranges planned for them, which are a partition each.

    Deleting their rows would be a mutation instead: it waits for its turn behind merges, and where the engine's pool
    is full, on a busy machine, then for its next look, which comes after a tenth of the time the table was idle.
    """
    client = store.client()
    for table in tables:
        for name in table.names(suffix):
            client.command(f"DROP TABLE IF EXISTS {name} SYNC")
        client.command(f"ALTER TABLE sink_ranges DROP PARTITION {quoted(table.physical + suffix)}")

"""Whether two sets of tables hold the same: rows counted and hashed by the engine, in no order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from domain.log.position import Position
from projections.store import AnalyticsStore
from projections.table import Table

EXPIRY_MARGIN: Final = timedelta(hours=1)
"""Rows that are about to expire are not compared: they may go while one table is read and be there in the other."""

_ROWS = (
    "SELECT count(), sum(row_hash), groupBitXor(row_hash) FROM "
    "(SELECT cityHash64(formatRow('RowBinary', *)) AS row_hash"
)
_END = "transform(toUInt64(log_shard), {shards:Array(UInt64)}, {ends:Array(UInt64)}, toUInt64(0))"
_RECENT = "recorded_at >= {since:DateTime64(6, 'UTC')}"

_EXPIRY = re.compile(r" TTL (.+?)(?: SETTINGS |$)")
_DAYS = re.compile(r"toIntervalDay\((\d+)\)")


@dataclass(frozen=True)
class TableHash:
    """Rows of a table up to some positions, and a hash of them that does not depend on their order."""

    rows: int
    hash: str


@dataclass(frozen=True)
class Comparison:
    """One table, as it was live and as the log makes it now, both up to the same positions.

    Of tables whose newest rows are kept apart there is a second one, with ``newest``.
    """

    table: str
    live: TableHash
    rebuilt: TableHash
    newest: bool = False

    @property
    def equal(self) -> bool:
        return self.live == self.rebuilt


def compared(
    store: AnalyticsStore, tables: Sequence[Table], beside: str, until: Sequence[Position]
) -> tuple[Comparison, ...]:
    """The live tables and those with the suffix ``beside``, up to positions that both have passed.

    The live ones stand there, as long as nothing is written; the others may stand further on.
    """
    expiry = expiries(store)
    now = store.client().query("SELECT now64(6, 'UTC')").result_rows[0][0]
    since = {name: now - _days(rule) + EXPIRY_MARGIN for name, rule in expiry.items()}

    def hashes(suffix: str) -> list[TableHash]:
        return [
            (newest_hash if table.one_row_a_key else table_hash)(
                store, table.physical + suffix, *until, since=since.get(table.physical)
            )
            for table in tables
        ]

    with ThreadPoolExecutor(2, thread_name_prefix="comparison") as pool:
        live, rebuilt = pool.map(hashes, ("", beside))
    whole = [
        Comparison(table.name, live=was, rebuilt=now) for table, was, now in zip(tables, live, rebuilt, strict=True)
    ]
    newest = [
        _newest_compared(store, table, beside, until, since.get(table.newest_rows)) for table in tables if table.newest
    ]
    return (*whole, *newest)


def table_hash(store: AnalyticsStore, physical: str, *until: Position, since: datetime | None = None) -> TableHash:
    """Count and hash of the rows up to a position in each shard, computed by the engine.

    Only of rows recorded ``since`` a time, where one is given: of a table whose rows expire, those that cannot have.
    """
    conditions = [f"log_ordinal <= {_END}", *([_RECENT] if since else [])]
    return _hash(store, f"{{table:Identifier}} WHERE {' AND '.join(conditions)}", until, since, table=physical)


def newest_hash(store: AnalyticsStore, physical: str, *until: Position, since: datetime | None = None) -> TableHash:
    """As ``table_hash`` of a table with one row a key: of each the one row that is shown, unless it is a later one."""
    conditions = [f"log_ordinal <= {_END}", *([_RECENT] if since else [])]
    return _hash(store, f"{{table:Identifier}} FINAL WHERE {' AND '.join(conditions)}", until, since, table=physical)


def expiries(store: AnalyticsStore) -> dict[str, str]:
    """The rules by which rows of tables expire, by physical table, where they do."""
    found = store.client().query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
    )
    return {name: rule[1] for name, made in found.result_rows if (rule := _EXPIRY.search(made)) is not None}


def _newest_compared(
    store: AnalyticsStore, table: Table, beside: str, until: Sequence[Position], since: datetime | None
) -> Comparison:
    """The newest rows, but for those of keys that have a newer one beside, which the live table has not got yet."""
    live, other, keys = table.newest_rows, table.newest_rows + beside, ", ".join(table.newest)
    known = f"({keys}) NOT IN (SELECT {keys} FROM {{other:Identifier}} FINAL WHERE log_ordinal > {_END})"  # noqa: S608  # names of our own columns
    conditions = " AND ".join([known, *([_RECENT] if since else [])])
    return Comparison(
        table.name,
        live=_hash(store, f"{{table:Identifier}} FINAL WHERE {conditions}", until, since, table=live, other=other),
        rebuilt=newest_hash(store, other, *until, since=since),
        newest=True,
    )


def _hash(
    store: AnalyticsStore, source: str, until: Sequence[Position], since: datetime | None, **tables: str
) -> TableHash:
    parameters: dict[str, Any] = {
        **tables,
        "shards": [position.shard for position in until],
        "ends": [position.ordinal for position in until],
        "since": since,
    }
    rows, total, mixed = store.client().query(f"{_ROWS} FROM {source})", parameters=parameters).result_rows[0]
    return TableHash(rows, f"{total:016x}-{mixed:016x}")


def _days(rule: str) -> timedelta:
    days = _DAYS.search(rule)
    return timedelta(days=int(days[1])) if days else timedelta()

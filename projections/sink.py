"""The sink of the projection: writes each range of the log to all tables exactly once, through crashes too.

One write is one contiguous range of one shard:

1. the range is planned (a row in ``sink_ranges``), so that a crash repeats the same range;
2. each table takes its rows in one insert, whose token names the range: sent again it lands once;
3. the ``events`` table, which has a row for every event, is written last: it marks the range as done. Where the
   last event has none (it is parked), an empty range planned behind it says so.

A range that was planned but not done is recovered: what the tables hold already is read and not written again.
The token alone is not enough then. The engine notes it before the rows are safe, so that a kill or a full disk in
between would make it take the second attempt for a repetition, and the rows would be missing for ever.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.log.position import Position
from domain.processing import EncodedRows, Rows, RowsRejected, SinkUnavailable
from projections.encoding import FORMAT, ORDINAL, by_table, encode
from projections.row_check import problem
from projections.store import AnalyticsStore, StoreUnavailable
from projections.table import Row, Table
from projections.tables.catalogue import MARKER, TABLES

SHARD = 1
"""Where every row holds the shard of its event."""

Hook = Callable[[str], None]
"""Called with the name of each step passed; crash tests kill the process there."""


def _pass(step: str) -> None:
    """The hook of ordinary running."""


@dataclass(frozen=True)
class _Shard:
    """How far one shard is, and where the range ends that was planned but is not known to be done."""

    position: int
    planned_end: int | None = None


class ClickHouseSink:
    """Implements ``domain.processing.RowSink``. One writer at a time; reads by analysts go on meanwhile.

    ``suffix`` is appended to every physical table's name: a rebuild writes beside the live tables.
    """

    def __init__(
        self,
        store: AnalyticsStore,
        *,
        tables: Sequence[Table] = TABLES,
        marker: Table = MARKER,
        suffix: str = "",
        hook: Hook = _pass,
    ) -> None:
        self._store = store
        self.tables = (*(table for table in tables if table is not marker), marker)
        """In the order they are written."""
        self._marker = marker
        self._suffix = suffix
        self._hook = hook
        self._shards: dict[int, _Shard] = {}
        self._writing = threading.RLock()

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        """See ``RowSink.write``. Raises ``ValueError`` where the range leaves a gap or changes a planned one."""
        with self._writing, self._unavailable():
            shard = self._shard(first.shard)
            of_table = by_table(rows)
            self._known_tables(of_table)
            if last.ordinal <= shard.position:
                for table in self.tables:
                    self._add_missing(table, of_table[table.name], first, last)
                return
            if first.ordinal > shard.position + 1:
                raise ValueError(f"range {first} to {last} leaves a gap: the tables stand at {shard.position}")
            if first.ordinal <= shard.position:
                # The tables were replaced by ones that stand further on, and the writer does not know yet.
                first = Position(first.shard, shard.position + 1)
                of_table = _beyond(of_table, shard.position)
            if shard.planned_end not in (None, last.ordinal):
                raise ValueError(f"range {first} to {last} was planned to end at {shard.planned_end}")
            recovering = shard.planned_end is not None
            store_rows = self._recover if recovering else self._insert_range
            marks = of_table[self._marker.name]
            self._write(
                first,
                last,
                lambda table: store_rows(table, of_table[table.name], first, last),
                planned=recovering,
                marked=marks[-1][ORDINAL] if marks else 0,
            )

    def write_encoded(self, first: Position, last: Position, rows: Mapping[str, EncodedRows]) -> None:
        """See ``EncodedRowSink.write_encoded``."""
        with self._writing, self._unavailable():
            shard = self._shard(first.shard)
            if first.ordinal != shard.position + 1 or shard.planned_end is not None:
                # Perhaps the tables were replaced by ones that stand further on: rows can be brought in all the same.
                raise SinkUnavailable(f"{first} to {last} is not the next range: the tables stand at {shard.position}")
            self._known_tables(rows)
            marks = rows.get(self._marker.name)

            def insert(table: Table) -> None:
                if table.name in rows:
                    self._send(table, rows[table.name].data, _token(first, last))

            self._write(first, last, insert, planned=False, marked=marks.last if marks else 0)

    def resume_from(self, shard: int) -> Position:
        """See ``RowSink.resume_from``. Raises ``SinkUnavailable``."""
        with self._writing, self._unavailable():
            return Position(shard, self._shard(shard).position)

    def planned_end(self, shard: int) -> Position | None:
        """See ``RowSink.planned_end``."""
        with self._writing, self._unavailable():
            end = self._shard(shard).planned_end
            return None if end is None else Position(shard, end)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is written by other threads meanwhile; afterwards the tables are looked at anew."""
        with self._writing:
            try:
                yield
            finally:
                self._shards.clear()

    def _physical(self, table: Table) -> str:
        return table.physical + self._suffix

    def _shard(self, number: int) -> _Shard:
        if number not in self._shards:
            self._shards[number] = self._look(number)
        return self._shards[number]

    def _look(self, number: int) -> _Shard:
        client = self._store.client()
        marked = client.query(
            "SELECT max(log_ordinal) FROM {table:Identifier} WHERE log_shard = {shard:UInt16}",
            parameters={"table": self._physical(self._marker), "shard": number},
        ).result_rows[0][0]
        planned_first, planned_end = client.query(
            "SELECT max(log_first), argMax(log_last, log_first) FROM sink_ranges "
            "WHERE projection = {projection:String} AND log_shard = {shard:UInt16}",
            parameters={"projection": self._projection, "shard": number},
        ).result_rows[0]
        # What comes before the newest planned range is done: a range is planned only then.
        position = max(marked, planned_first - 1)
        return _Shard(position=position, planned_end=planned_end if planned_end > position else None)

    @property
    def _projection(self) -> str:
        return self._physical(self._marker)

    def _write(
        self, first: Position, last: Position, store: Callable[[Table], None], *, planned: bool, marked: int
    ) -> None:
        """The steps of a range, ``marked`` being the last event of it that has a row in the marker's table."""
        if not planned:
            self._plan(first, last)
            self._hook("after_plan")
        for table in self.tables:
            store(table)
            self._hook(f"after_insert_{table.name}")
        if marked != last.ordinal:
            self._plan(Position(first.shard, last.ordinal + 1), last)
        self._shards[first.shard] = _Shard(position=last.ordinal)
        self._hook("after_range")

    def _plan(self, first: Position, last: Position) -> None:
        self._store.client().insert(
            "sink_ranges",
            [[self._projection, first.shard, first.ordinal, last.ordinal]],
            column_names=["projection", "log_shard", "log_first", "log_last"],
        )

    def _insert(self, table: Table, rows: Sequence[Row], settings: Mapping[str, Any]) -> None:
        if not rows:
            return
        try:
            self._send(table, encode(table, rows), settings)
        except Exception as error:
            faults = {Position(row[SHARD], row[ORDINAL]): fault for row in rows if (fault := problem(table, row))}
            if not faults:
                raise
            raise RowsRejected(faults) from error

    def _send(self, table: Table, data: bytes, settings: Mapping[str, Any]) -> None:
        for name in table.names(self._suffix):
            self._insert_into(name, table, data, settings)

    def _insert_into(self, name: str, table: Table, data: bytes, settings: Mapping[str, Any]) -> None:
        self._store.client().raw_insert(name, table.column_names, data, settings=dict(settings), fmt=FORMAT)

    def _insert_range(self, table: Table, rows: Sequence[Row], first: Position, last: Position) -> None:
        self._insert(table, rows, _token(first, last))

    def _recover(self, table: Table, rows: Sequence[Row], first: Position, last: Position) -> None:
        """With the token first, for an insert of the dead process may still be under way in a server."""
        self._insert(table, self._missing(table, rows, first, last), _token(first, last))
        self._add_missing(table, rows, first, last)

    def _add_missing(self, table: Table, rows: Sequence[Row], first: Position, last: Position) -> None:
        self._insert(table, self._missing(table, rows, first, last), {"insert_deduplicate": 0})
        if table.newest and rows:
            # Which of these are there cannot be told; but of rows of one key the engine keeps one, the newest.
            name = table.newest_rows + self._suffix
            self._insert_into(name, table, encode(table, rows), {"insert_deduplicate": 0})

    def _missing(self, table: Table, rows: Sequence[Row], first: Position, last: Position) -> Sequence[Row]:
        if not rows:
            return rows
        result = self._store.client().query(
            "SELECT log_ordinal FROM {table:Identifier} "
            "WHERE log_shard = {shard:UInt16} AND log_ordinal BETWEEN {first:UInt64} AND {last:UInt64}",
            parameters={
                "table": self._physical(table),
                "shard": first.shard,
                "first": first.ordinal,
                "last": last.ordinal,
            },
        )
        present = {row[0] for row in result.result_rows}
        return [row for row in rows if row[ORDINAL] not in present]

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        """Any failure of the engine leaves the outcome open: the tables are looked at before the next attempt."""
        try:
            yield
        except (ClickHouseError, OSError, StoreUnavailable) as error:
            self._shards.clear()
            # What follows would quote a row that could not be read, and so what somebody said in a call.
            reason = str(error).partition("\n")[0].partition(" before: ")[0]
            raise SinkUnavailable(f"the projection tables took no rows: {reason}") from error
        except RowsRejected:
            self._shards.clear()
            raise

    def _known_tables(self, names: Iterable[str]) -> None:
        unknown = set(names) - {table.name for table in self.tables}
        if unknown:
            raise ValueError(f"no such projection table: {', '.join(sorted(unknown))}")


def _beyond(of_table: Mapping[str, Sequence[Row]], position: int) -> dict[str, list[Row]]:
    later = {name: [row for row in rows if row[ORDINAL] > position] for name, rows in of_table.items()}
    return defaultdict(list, later)


def _token(first: Position, last: Position) -> dict[str, str]:
    return {"insert_deduplication_token": f"log:{first.shard}:{first.ordinal}-{last.ordinal}"}

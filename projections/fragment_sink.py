"""Writing fragments: each batch of the fragment log once, also when the process is killed in between.

Rows go in first, then a note how far they go. A crash in between sends the same fragments again, under the same keys,
of which the engine keeps one and the view shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.log.position import Position
from domain.processing import Rows, SinkUnavailable
from projections.encoding import FORMAT, encode
from projections.store import AnalyticsStore, StoreUnavailable
from projections.tables.fragments import TABLE


def _pass(step: str) -> None:
    """The hook of ordinary running."""


class FragmentSink:
    """A ``RowSink`` for ranges of batches. One writer at a time."""

    def __init__(self, store: AnalyticsStore, *, hook: Callable[[str], None] = _pass) -> None:
        self._store = store
        self._hook = hook

    def expire_after(self, days: int) -> None:
        """Let rows go so many days after what they tell of; 0 keeps them for ever. Raises ``SinkUnavailable``."""
        expiry = f"MODIFY TTL toDateTime(happened_at) + INTERVAL {days} DAY" if days else "REMOVE TTL"
        with self._unavailable():
            client = self._store.client()
            present = str(client.command(f"SHOW CREATE TABLE {TABLE.physical}"))
            wanted = f"toIntervalDay({days})" if days else ""
            if wanted not in present or (not days and " TTL " in present.replace("\\n", " ")):
                client.command(f"ALTER TABLE {TABLE.physical} {expiry}")

    def resume_from(self, shard: int) -> Position:
        """The number of the partition's last batch whose fragments are in the table. Raises ``SinkUnavailable``."""
        with self._unavailable():
            result = self._store.client().query(
                "SELECT max(log_last) FROM sink_ranges WHERE projection = {name:String} AND log_shard = {part:UInt16}",
                parameters={"name": TABLE.physical, "part": shard},
            )
        return Position(shard, int(result.result_rows[0][0]))

    def planned_end(self, shard: int) -> Position | None:
        """Ranges are not planned: a fragment that comes again is the same row."""
        return None

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        """Store the fragments of batches that follow each other. Raises ``SinkUnavailable``."""
        made = [row for part in rows if part.table == TABLE.name for row in part.rows]
        with self._unavailable():
            client = self._store.client()
            if made:
                # The key alone tells repetitions: a token that the engine noted before a crash would have it refuse
                # the second attempt at rows that it never stored.
                settings = {"insert_deduplicate": 0}
                client.raw_insert(
                    TABLE.physical, TABLE.column_names, encode(TABLE, made), settings=settings, fmt=FORMAT
                )
            self._hook("after_fragments")
            client.insert(
                "sink_ranges",
                [[TABLE.physical, first.shard, first.ordinal, last.ordinal]],
                column_names=["projection", "log_shard", "log_first", "log_last"],
            )
            self._hook("after_position")

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except (ClickHouseError, OSError, StoreUnavailable) as error:
            # What follows would quote a row that could not be read.
            reason = str(error).partition("\n")[0].partition(" before: ")[0]
            raise SinkUnavailable(f"the table of fragments took no rows: {reason}") from error

"""Writing fragments: each batch of the fragment log once, also when the process is killed in between.

Rows go in first, then a note how far they go. A crash in between sends the same fragments again, under the same keys,
of which the engine keeps one and the view shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.fragments import PlacedBatch
from domain.processing import SinkUnavailable
from projections.encoding import FORMAT, SETTINGS
from projections.store import AnalyticsStore, StoreUnavailable
from projections.tables.fragments import TABLE, rows


def _pass(step: str) -> None:
    """The hook of ordinary running."""


class FragmentSink:
    """One writer at a time. ``keep_words`` keeps what was said in partial transcripts and pieces of text."""

    def __init__(self, store: AnalyticsStore, *, keep_words: bool = False, hook: Callable[[str], None] = _pass) -> None:
        self._store = store
        self._keep_words = keep_words
        self._hook = hook
        self._encode = msgspec.json.Encoder().encode_lines

    def expire_after(self, days: int) -> None:
        """Let rows go so many days after what they tell of; 0 keeps them for ever. Raises ``SinkUnavailable``."""
        expiry = f"MODIFY TTL toDateTime(happened_at) + INTERVAL {days} DAY" if days else "REMOVE TTL"
        with self._unavailable():
            client = self._store.client()
            present = str(client.command(f"SHOW CREATE TABLE {TABLE.physical}"))
            wanted = f"toIntervalDay({days})" if days else ""
            if wanted not in present or (not days and " TTL " in present.replace("\\n", " ")):
                client.command(f"ALTER TABLE {TABLE.physical} {expiry}")

    def position(self, partition: int) -> int:
        """The number of the last batch whose fragments are in the table. Raises ``SinkUnavailable``."""
        with self._unavailable():
            result = self._store.client().query(
                "SELECT max(log_last) FROM sink_ranges WHERE projection = {name:String} AND log_shard = {part:UInt16}",
                parameters={"name": TABLE.physical, "part": partition},
            )
        return int(result.result_rows[0][0])

    def write(self, partition: int, batches: Sequence[PlacedBatch]) -> int:
        """Store the fragments of batches that follow each other; how many. Raises ``SinkUnavailable``."""
        made = [row for placed in batches for row in rows(partition, placed, keep_words=self._keep_words)]
        first, last = batches[0].number, batches[-1].number
        with self._unavailable():
            client = self._store.client()
            if made:
                settings = {**SETTINGS, "insert_deduplication_token": f"media:{partition}:{first}-{last}"}
                data = self._encode(made)
                client.raw_insert(TABLE.physical, TABLE.column_names, data, settings=settings, fmt=FORMAT)
            self._hook("after_fragments")
            client.insert(
                "sink_ranges",
                [[TABLE.physical, partition, first, last]],
                column_names=["projection", "log_shard", "log_first", "log_last"],
            )
            self._hook("after_position")
        return len(made)

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except (ClickHouseError, OSError, StoreUnavailable) as error:
            # What follows would quote a row that could not be read.
            reason = str(error).partition("\n")[0].partition(" before: ")[0]
            raise SinkUnavailable(f"the table of fragments took no rows: {reason}") from error

"""The live figures as a Faust table: in memory where a shard is worked on, on a compacted topic for all others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import faust
from faust.types import EventT, TableT

from domain.log.position import Position
from domain.processing import Rows, SinkUnavailable
from streams.kafka.location import KafkaLocation
from streams.live_figures.entries import Changes, Entry, Fold, decode, encode, fold, reached
from streams.live_figures.newest import Newest
from streams.live_figures.topic import CALLS_TOPIC

SEND_SECONDS = 30.0
"""How long the brokers may take to acknowledge what changed before it is tried again."""


class LiveTable:
    """A ``RowSink`` on the table of ``app``; made before the app starts, used while it runs.

    Entries are acknowledged by the brokers before the position behind them is sent, and each entry is right by itself:
    whoever takes the shard over reads them from the topic, and what was not written to its end is counted again.
    """

    def __init__(
        self, app: faust.App, location: KafkaLocation, partitions: int, *, topic: str = CALLS_TOPIC, fold: Fold = fold
    ) -> None:
        """``topic`` is the changelog, with as many ``partitions`` as what is counted."""
        self._app = app
        self._fold = fold
        changelog = app.topic(
            location.topic(topic), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        changelog.partitions = partitions
        table = _NewestTable(
            app,
            name=topic,
            beacon=app.tables.beacon,
            partitions=partitions,
            key_type=bytes,
            value_type=bytes,
            changelog_topic=changelog,
        )
        app.tables.add(table)
        self._table = table

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        """See ``RowSink.write``. To be called from any thread but the app's."""
        changes = self._fold(_Entries(self._table), last, rows)
        if not changes:
            return
        written = asyncio.run_coroutine_threadsafe(self._write(last.shard, changes), self._app.loop)
        try:
            written.result(SEND_SECONDS)
        except TimeoutError:
            written.cancel()
            raise SinkUnavailable(f"no broker acknowledged the live figures within {SEND_SECONDS:g} s") from None
        except faust.exceptions.FaustError as problem:
            raise SinkUnavailable(f"the live figures cannot be sent: {problem}") from problem

    def resume_from(self, shard: int) -> Position:
        """Up to where the shard is counted."""
        return Position(shard, reached(_Entries(self._table), shard).through)

    def planned_end(self, shard: int) -> Position | None:
        """Ranges are not planned: entries know what they have counted."""
        return None

    async def _write(self, shard: int, changes: Changes) -> None:
        *entries, newest = changes.items()
        for part in (entries, [newest]):
            encoded = [(key.encode(), None if entry is None else encode(entry)) for key, entry in part]
            await asyncio.gather(*(self._acknowledged(shard, key, entry) for key, entry in encoded))
            for key, entry in encoded:
                if entry is None:
                    self._table.data.pop(key, None)
                else:
                    self._table.data[key] = entry

    def _acknowledged(self, shard: int, key: bytes, entry: bytes | None) -> asyncio.Future[object]:
        """Waiting may be given up; Faust notes what becomes of the record nevertheless, and must find it as it was."""
        return asyncio.shield(self._table.send_changelog(shard, key, entry))


class _NewestTable(faust.Table[bytes, bytes]):
    """A table that is made again from the newest of its entries and not from the last ones that were written."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._newest = Newest()

    def apply_changelog_batch(self, batch: Iterable[EventT[bytes]]) -> None:
        """See Faust's ``Collection``."""
        known = _Entries(self)
        for event in batch:
            entry = None if event.value is None else decode(event.value)
            if self._newest.counts(bytes(event.key or b"").decode(), entry, known):
                super().apply_changelog_batch([event])


class _Entries(Mapping[str, Entry]):
    """The table's entries, decoded as they are asked for."""

    def __init__(self, table: TableT[bytes, bytes]) -> None:
        self._data = table.data

    def __getitem__(self, key: str) -> Entry:
        return decode(self._data[key.encode()])

    def __iter__(self) -> Iterator[str]:
        return iter([key.decode() for key in list(self._data)])

    def __len__(self) -> int:
        return len(self._data)

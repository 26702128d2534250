"""``callfold.media`` in a SQLite file of its own: appended in batches, never judged, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from domain.fragments import Fragment, FragmentBatch, PlacedBatch
from streams.log.datastore import DATABASE_ERRORS, LogDatastore, unavailable
from streams.log.file_uri import file_uri
from streams.media_log.reading import in_order

_TABLES = (
    """
CREATE TABLE IF NOT EXISTS fragments (
    call_id TEXT,
    source TEXT,
    seq INTEGER,
    type TEXT NOT NULL,
    at_ms REAL NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (call_id, source, seq)
) WITHOUT ROWID""",
    """
CREATE TABLE IF NOT EXISTS batches (
    call_id TEXT,
    source TEXT,
    first_seq INTEGER,
    org_id TEXT NOT NULL,
    started_at TEXT NOT NULL,
    dropped INTEGER NOT NULL,
    PRIMARY KEY (call_id, source, first_seq)
) WITHOUT ROWID""",
    """
CREATE TABLE IF NOT EXISTS appended (
    number INTEGER PRIMARY KEY,            -- order of the batches of all calls
    call_id TEXT NOT NULL,
    source TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
)""",
    """
INSERT INTO appended (call_id, source, first_seq, last_seq)
SELECT call_id, source, first_seq, coalesce(
    (SELECT min(n.first_seq) - 1 FROM batches n
     WHERE n.call_id=b.call_id AND n.source=b.source AND n.first_seq>b.first_seq),
    (SELECT max(f.seq) FROM fragments f WHERE f.call_id=b.call_id AND f.source=b.source))
FROM batches b WHERE NOT EXISTS (SELECT 1 FROM appended) ORDER BY started_at, call_id, source, first_seq""",
)
"""The last one gives the batches of a file from before there was an order one."""

_APPENDED = """
INSERT INTO appended (call_id, source, first_seq, last_seq) SELECT ?1, ?2, ?3, ?4
WHERE NOT EXISTS (SELECT 1 FROM batches WHERE call_id=?1 AND source=?2 AND first_seq=?3)"""
PARTITION = 0
"""A file is one partition."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class EmbeddedFragmentLog:
    """Implements ``FragmentLog`` and ``FragmentFeed``. Thread-safe. The identity of a fragment is (call, source, seq):
    one that is there already is left as it is, so a batch may be sent again after an unknown outcome.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, made when missing. Raises ``LogUnavailable``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._datastore = LogDatastore(file_uri(path))
        try:
            with self._datastore.preparing(), self._datastore.transaction(commit=True) as cursor:
                for statement in _TABLES:
                    cursor.execute(statement)
        except DATABASE_ERRORS as problem:
            raise unavailable(problem) from problem

    def append(self, batches: Sequence[FragmentBatch]) -> None:
        """Durable in order when it returns. Blocking: call it from a flusher thread. Raises ``LogUnavailable``.

        A batch is told from a re-sent one by its first fragment; one without fragments leaves no trace.
        """
        fragments = [
            (batch.call_id, batch.source, fragment.seq, fragment.type, fragment.at_ms, _encode(fragment.data))
            for batch in batches
            for fragment in batch.fragments
        ]
        headings = [
            (
                batch.call_id,
                batch.source,
                batch.fragments[0].seq,
                batch.org_id,
                batch.started_at.isoformat(),
                batch.dropped,
            )
            for batch in batches
            if batch.fragments
        ]
        places = [
            (batch.call_id, batch.source, batch.fragments[0].seq, batch.fragments[-1].seq)
            for batch in batches
            if batch.fragments
        ]
        try:
            with self._datastore.transaction(commit=True) as cursor:
                cursor.executemany("INSERT OR IGNORE INTO fragments VALUES (?,?,?,?,?,?)", fragments)
                cursor.executemany(_APPENDED, places)
                cursor.executemany("INSERT OR IGNORE INTO batches VALUES (?,?,?,?,?,?)", headings)
        except DATABASE_ERRORS as problem:
            raise unavailable(problem) from problem

    def read(self, call_id: str, *, source: str | None = None, types: Iterable[str] = ()) -> list[Fragment]:
        """Fragments of one call in order of time, duplicates removed; a source's own order is never changed."""
        conditions, parameters = ["call_id=?"], list[Any]([call_id])
        if source is not None:
            conditions.append("source=?")
            parameters.append(source)
        wanted = sorted(set(types))
        if wanted:
            conditions.append(f"type IN ({','.join('?' * len(wanted))})")
            parameters.extend(wanted)
        where = " AND ".join(conditions)
        rows = self._datastore.rows(
            f"SELECT source, seq, type, at_ms, data FROM fragments WHERE {where} ORDER BY source, seq",  # noqa: S608  # only fixed fragments
            parameters,
        )
        return in_order((row[0], _fragment(row)) for row in rows)

    def dropped(self, call_id: str) -> int:
        """How many fragments of a call were shed before they reached the log."""
        ((count,),) = self._datastore.rows("SELECT coalesce(sum(dropped), 0) FROM batches WHERE call_id=?", (call_id,))
        return int(count)

    @property
    def partitions(self) -> Sequence[int]:
        """See ``FragmentFeed``."""
        return (PARTITION,)

    def after(self, partition: int, number: int, limit: int) -> Sequence[PlacedBatch]:
        """See ``FragmentFeed.after``. Raises ``LogUnavailable``."""
        rows = self._datastore.rows(
            "SELECT a.number, a.last_seq, a.call_id, a.source, a.first_seq, b.org_id, b.started_at, b.dropped "
            "FROM appended a JOIN batches b USING (call_id, source, first_seq) "
            "WHERE a.number>? ORDER BY a.number LIMIT ?",
            (number, limit),
        )
        return [self._placed(*row) for row in rows]

    def end(self, partition: int) -> int:
        """See ``FragmentFeed.end``. Raises ``LogUnavailable``."""
        ((last,),) = self._datastore.rows("SELECT coalesce(max(number), 0) FROM appended")
        return int(last)

    def _placed(
        self, number: int, last_seq: int, call_id: str, source: str, first_seq: int, *heading: Any
    ) -> PlacedBatch:
        org_id, started_at, dropped = heading
        rows = self._datastore.rows(
            "SELECT source, seq, type, at_ms, data FROM fragments "
            "WHERE call_id=? AND source=? AND seq BETWEEN ? AND ? ORDER BY seq",
            (call_id, source, first_seq, last_seq),
        )
        batch = FragmentBatch(
            call_id=call_id,
            source=source,
            org_id=org_id,
            started_at=datetime.fromisoformat(started_at),
            fragments=tuple(_fragment(row) for row in rows),
            dropped=dropped,
        )
        return PlacedBatch(number, batch)

    def close(self) -> None:
        """Close the file."""
        self._datastore.close()


def _fragment(row: tuple[Any, ...]) -> Fragment:
    _, seq, type_name, at_ms, data = row
    return Fragment(seq=seq, type=type_name, at_ms=at_ms, data=_decode(data))

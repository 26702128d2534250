"""``callfold.media`` in a SQLite file of its own: appended in batches, never judged, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from domain.fragments import Fragment, FragmentBatch
from streams.log.datastore import DATABASE_ERRORS, LogDatastore, unavailable
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
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class EmbeddedFragmentLog:
    """Implements ``FragmentLog``. Thread-safe. The identity of a fragment is (call, source, seq): one that is there
    already is left as it is, so a batch may be sent again after an unknown outcome.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, made when missing. Raises ``LogUnavailable``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._datastore = LogDatastore(f"file:{path}")
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
        try:
            with self._datastore.transaction(commit=True) as cursor:
                cursor.executemany("INSERT OR IGNORE INTO fragments VALUES (?,?,?,?,?,?)", fragments)
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

    def close(self) -> None:
        """Close the file."""
        self._datastore.close()


def _fragment(row: tuple[Any, ...]) -> Fragment:
    _, seq, type_name, at_ms, data = row
    return Fragment(seq=seq, type=type_name, at_ms=at_ms, data=_decode(data))

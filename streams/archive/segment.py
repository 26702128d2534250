"""A file of the archive: how it is named, what its footer says, and which columns its rows have.

A segment holds a contiguous range of one shard's records, at ``shard-<n>/<first>-<last>.parquet``, named after the
first and the last record's sequence. An accepted record has one row per event (one without an ordinal where it moved
a tracking position only); a record that changed nothing has one row with its headers and value as they stood on the
log. Rows are sorted by originator and version, so that a history is read from few row groups.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from domain.log.commit import Counter

FORMAT = 1
FOOTER_KEY = "callfold"

ACCEPTED, VOID, DUPLICATE, POISON = "accepted", "void", "duplicate", "poison"

COLUMNS = {
    "shard": "INTEGER",
    "sequence": "BIGINT",
    "outcome": "VARCHAR",
    "reason": "VARCHAR",
    "commit_id": "VARCHAR",
    "ordinal": "BIGINT",
    "org_id": "VARCHAR",
    "originator_id": "VARCHAR",
    "originator_version": "BIGINT",
    "type": "VARCHAR",
    "v": "BIGINT",
    "id": "VARCHAR",
    "time": "TIMESTAMP",
    "body": "VARCHAR",
    "tracking_name": "VARCHAR",
    "tracking_position": "BIGINT",
    "raw": "BLOB",
    "record_hash": "BLOB",
    "chain": "BLOB",
}
"""Names and SQL types. ``v``, ``id`` and ``time`` (UTC) repeat what the body says and are null where it is not
readable; ``org_id`` is the log file's own knowledge, which no hash covers. ``raw`` is the record of what is not
accepted, or the body where it is no UTF-8 text; ``record_hash`` stands only where a repeated record has no content of
its own; ``chain`` is the chain's value after the record, on its first row alone."""

_NAME = re.compile(r"(\d+)-(\d+)\.parquet")
_FOLDER = re.compile(r"shard-(\d+)")


class Footer(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment says of itself. Hashes are hex; ``digest`` is over the hashes of its records in order.

    ``log`` names the log where its carrier gives it a name; ``next_ordinal`` is that of the first event behind it.
    ``checkpoints`` are what was signed of the log at one of its records, the newest of each key, as it was signed.
    """

    format: int = FORMAT
    log: str
    shard: int
    first_sequence: int
    last_sequence: int
    first_ordinal: int
    next_ordinal: int
    chain_before: str
    chain_after: str
    digest: str
    checkpoints: tuple[str, ...] = ()

    @property
    def events(self) -> int:
        """Accepted events."""
        return self.next_ordinal - self.first_ordinal

    @property
    def records(self) -> int:
        """Records, whatever came of them."""
        return self.last_sequence - self.first_sequence + 1


class Segment(msgspec.Struct, frozen=True, order=True):
    """A file of the archive, as its name tells it."""

    shard: int
    first: int
    last: int
    path: Path

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"


class _Told(msgspec.Struct):
    v: Counter | None = None
    id: str | None = None
    time: datetime | None = None


_decode_told = msgspec.json.Decoder(_Told).decode


def segment_path(folder: Path, shard: int, first: int, last: int) -> Path:
    """Where the segment of these records stands."""
    return folder / f"shard-{shard}" / f"{first:012d}-{last:012d}.parquet"


def segments(folder: Path) -> list[Segment]:
    """Every segment of an archive, by shard and range. Files with other names are none of its."""
    found = []
    for path in folder.glob("shard-*/*.parquet"):
        shard, name = _FOLDER.fullmatch(path.parent.name), _NAME.fullmatch(path.name)
        if shard and name:
            found.append(Segment(int(shard[1]), int(name[1]), int(name[2]), path))
    return sorted(found)


def told_by(body: bytes) -> tuple[int | None, str | None, datetime | None]:
    """The columns ``v``, ``id`` and ``time`` of a body; nulls where it cannot be read, which no log forbids."""
    try:
        told = _decode_told(body)
        time = told.time
        return told.v, told.id, time.astimezone(UTC).replace(tzinfo=None) if time and time.tzinfo else time
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return None, None, None

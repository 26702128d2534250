"""Opening a log file only to read it, beside the process that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.log.codec import EventCodec
from streams.log.append import EMBEDDED_SHARD
from streams.log.datastore import LogDatastore
from streams.log.reader import LogReader


@contextmanager
def opened_for_reading(path: Path, shard: int = EMBEDDED_SHARD) -> Iterator[LogReader]:
    """The events of a shard in a log file, or a replica, that somebody has made. Nothing is folded or written."""
    datastore = LogDatastore(str(path))
    reader = LogReader(datastore, EventCodec(), shard)
    try:
        yield reader
    finally:
        reader.close()
        datastore.close()

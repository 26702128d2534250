"""Opening a log file only to read it, beside the process that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.log.codec import EventCodec
from domain.log.ports import EventLog
from streams.log.datastore import LogDatastore
from streams.log.reader import LogReader


@contextmanager
def opened_for_reading(path: Path) -> Iterator[EventLog]:
    """The events of a log file that somebody has made. Nothing is folded, repaired or written."""
    datastore = LogDatastore(str(path))
    reader = LogReader(datastore, EventCodec())
    try:
        yield reader
    finally:
        reader.close()
        datastore.close()

"""Opening the file of a shard only to read it, beside the process that writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from domain.log.codec import EventCodec
from streams.log.datastore import LogDatastore
from streams.log.file_uri import file_uri
from streams.log.reader import LogReader


@contextmanager
def opened_shard(files: Mapping[int, Path], shard: int) -> Iterator[LogReader]:
    """The events of a shard in the log's file, or a replica's, that somebody has made. Nothing is folded or written."""
    datastore = LogDatastore(file_uri(files[shard]))
    reader = LogReader(datastore, EventCodec(), shard)
    try:
        yield reader
    finally:
        reader.close()
        datastore.close()

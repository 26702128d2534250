"""The entries that a Faust table keeps elsewhere, read from its changelog: what an API process answers from."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import msgspec

from streams.kafka.clients import Fetched
from streams.kafka.compacted import CompactedTopic
from streams.kafka.location import KafkaLocation
from streams.live_figures.entries import Entry, decode
from streams.live_figures.newest import Newest

CALLS_TOPIC = "live"
"""One partition for each shard of the log."""

MEDIA_TOPIC = "live-media"
"""One partition for each partition of the fragments."""

_log = logging.getLogger(__name__)


class LiveFigureTopic:
    """An ``EntrySource`` as ``callfold stream`` publishes it; a second or so behind it. Open with ``open``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._newest = Newest()
        self._topic: CompactedTopic | None = None

    @classmethod
    def open(cls, location: KafkaLocation, topic: str, partitions: Sequence[int]) -> LiveFigureTopic:
        """Begin to read; figures come up within seconds. Raises ``UnfitCluster`` where no broker answers."""
        opened = cls()
        opened._topic = CompactedTopic.open(location, topic, partitions, opened._take)
        return opened

    def entries(self) -> list[tuple[str, Entry]]:
        """See ``EntrySource``."""
        with self._lock:
            return list(self._entries.items())

    def close(self) -> None:
        """Stop reading."""
        if self._topic is not None:
            self._topic.close()

    def _take(self, record: Fetched) -> None:
        key = (record.key or b"").decode(errors="replace")
        try:
            entry = decode(record.value) if record.value is not None else None
        except msgspec.DecodeError:
            _log.warning("live.foreign_record", extra={"offset": record.offset})
            return
        with self._lock:
            if not self._newest.counts(key, entry, self._entries):
                return
            if entry is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = entry

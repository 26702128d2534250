"""The live figures that a Faust table keeps elsewhere, read from its changelog: what an API process answers from."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from domain.live_figures import LiveReport
from domain.log.position import Position
from streams.kafka.clients import Fetched
from streams.kafka.compacted import CompactedTopic
from streams.kafka.location import KafkaLocation
from streams.live_figures.entries import Entry, Minute, Reached, decode, reached
from streams.live_figures.report import report, reports

TOPIC = "live"

_log = logging.getLogger(__name__)


class LiveFigureTopic:
    """``LiveFigures`` as ``callfold stream`` publishes them; a second or so behind it. Open with ``open``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._topic: CompactedTopic | None = None

    @classmethod
    def open(cls, location: KafkaLocation, shards: Sequence[int]) -> LiveFigureTopic:
        """Begin to read; figures come up within seconds. Raises ``UnfitCluster`` where no broker answers."""
        opened = cls()
        opened._topic = CompactedTopic.open(location, TOPIC, shards, opened._take)
        return opened

    def report(self, org_id: str, now: datetime, minutes: int) -> LiveReport:
        """See ``LiveFigures.report``."""
        return report(self._snapshot(), org_id, now, minutes)

    def reports(self, now: datetime, minutes: int) -> Mapping[str, LiveReport]:
        """See ``LiveFigures.reports``."""
        return reports(self._snapshot(), now, minutes)

    def reached(self) -> Mapping[int, Position]:
        """See ``LiveFigures.reached``."""
        with self._lock:
            shards = sorted(int(key[:-1]) for key, entry in self._entries.items() if isinstance(entry, Reached))
            return {shard: Position(shard, reached(self._entries, shard).through) for shard in shards}

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
            if entry is None:
                self._entries.pop(key, None)
            elif not _is_older(entry, self._entries.get(key)):
                self._entries[key] = entry

    def _snapshot(self) -> list[tuple[str, Entry]]:
        with self._lock:
            return list(self._entries.items())


def _is_older(entry: Entry, known: Entry | None) -> bool:
    """A process that was thought dead may publish once more what another has counted on from since."""
    if isinstance(entry, Minute | Reached) and isinstance(known, Minute | Reached):
        return entry.through < known.through
    return False

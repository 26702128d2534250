"""Reading a partition once, from its first record to what was its last when the reading began."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka.errors import KafkaError

from domain.log.ports import LogUnavailable
from streams.kafka.clients import PATIENCE_MS, Consumer, Fetched, consumer, partition
from streams.kafka.location import KafkaLocation

_FETCH_WAIT_MS = 100


class Scan:
    """The records from offset ``begin`` to before ``end``. Iterate once."""

    def __init__(self, reading: Consumer, place: Any) -> None:
        self._reading = reading
        self._place = place
        self.begin: int = reading.beginning_offsets([place], PATIENCE_MS)[place]
        self.end: int = reading.end_offsets([place], PATIENCE_MS)[place]

    def __iter__(self) -> Iterator[Fetched]:
        """Raises ``LogUnavailable`` when nothing comes for ``PATIENCE_MS``."""
        self._reading.assign([self._place])
        self._reading.seek(self._place, self.begin)
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while (position := self._reading.position(self._place)) < self.end:
            records = self._reading.poll(timeout_ms=_FETCH_WAIT_MS).get(self._place, ())
            yield from (record for record in records if record.offset < self.end)
            if self._reading.position(self._place) > position:
                deadline = time.monotonic() + PATIENCE_MS / 1000
            elif time.monotonic() > deadline:
                raise LogUnavailable(f"offset {position} of {self._place} does not come; try again later")


@contextmanager
def scanned(location: KafkaLocation, topic: str, number: int) -> Iterator[Scan]:
    """A scan of one partition; ``topic`` without its prefix. Raises ``LogUnavailable``, inside the context too."""
    reading = consumer(location, fetch_wait_ms=_FETCH_WAIT_MS)
    try:
        yield Scan(reading, partition(location, topic, number))
    except KafkaError as problem:
        raise LogUnavailable(f"{location.topic(topic)} partition {number} cannot be read: {problem}") from problem
    finally:
        reading.close()

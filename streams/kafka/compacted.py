"""Reading a compacted topic as what it is: the newest value of every key, kept up by a thread as long as it is open."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from domain.log.ports import LogUnavailable
from streams.kafka.clients import Consumer, Fetched, consumer, partition
from streams.kafka.connecting import unreachable
from streams.kafka.location import KafkaLocation

CATCH_UP_SECONDS = 30.0
"""How long a topic may take to be read to its end: it is small, and what it holds is needed before work begins."""

_POLL_MS = 200
_FETCH_WAIT_MS = 100
_RETRY_SECONDS = 0.5
_GONE = (OffsetOutOfRangeError, NoOffsetForPartitionError)
_log = logging.getLogger(__name__)


class CompactedTopic:
    """``take`` gets every record in the order of its partition, on a thread of its own, from the first one on.

    It may get a record twice, with all behind it, when a broker has lost its place; it must not raise. Open with
    ``CompactedTopic.open``.
    """

    def __init__(
        self, location: KafkaLocation, topic: str, numbers: Sequence[int], take: Callable[[Fetched], None]
    ) -> None:
        self._location = location
        self._topic = topic
        self._numbers = tuple(numbers)
        self._take = take
        self._consumer: Consumer = consumer(location, fetch_wait_ms=_FETCH_WAIT_MS)
        self._next = dict.fromkeys(self._numbers, 0)
        self._moved = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{topic}-reader", daemon=True)

    @classmethod
    def open(
        cls, location: KafkaLocation, topic: str, numbers: Sequence[int], take: Callable[[Fetched], None]
    ) -> CompactedTopic:
        """Begin to read; ``topic`` without its prefix. Raises ``UnfitCluster`` where no broker answers."""
        with ExitStack() as undo:
            opened = cls(location, topic, numbers, take)
            undo.callback(opened._consumer.close)
            try:
                opened._from_the_beginning()
            except KafkaError as problem:
                raise unreachable(location, problem) from problem
            undo.pop_all()
        opened._thread.start()
        return opened

    def catch_up(self, timeout_s: float = CATCH_UP_SECONDS) -> None:
        """Wait until everything that is on the topic now was taken. Blocking. Raises ``LogUnavailable``."""
        ends = self._ends()
        deadline = time.monotonic() + timeout_s
        with self._moved:
            while any(self._next[number] < end for number, end in ends.items()):
                if self._closing.is_set() or not self._moved.wait(max(deadline - time.monotonic(), 0.0)):
                    raise LogUnavailable(
                        f"topic {self._location.topic(self._topic)} was not read to its end within {timeout_s:g} s; "
                        "check the leaders of its partitions"
                    )

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._read()
            except KafkaError as problem:
                _log.warning("topic.not_read", extra={"topic": self._topic, "reason": str(problem)})
                self._closing.wait(_RETRY_SECONDS)

    def _read(self) -> None:
        try:
            fetched = self._consumer.poll(timeout_ms=_POLL_MS)
        except _GONE:
            self._from_the_beginning()
            return
        for records in fetched.values():
            for record in records:
                self._take(record)
        self._note()

    def _note(self) -> None:
        with self._moved:
            for number in self._numbers:
                self._next[number] = self._consumer.position(partition(self._location, self._topic, number))
            self._moved.notify_all()

    def _ends(self) -> dict[int, int]:
        places = {number: partition(self._location, self._topic, number) for number in self._numbers}
        try:
            with closing(consumer(self._location, fetch_wait_ms=_FETCH_WAIT_MS)) as asking:
                ends = asking.end_offsets(list(places.values()))
        except KafkaError as problem:
            raise LogUnavailable(f"{self._location.topic(self._topic)} cannot be read: {problem}") from problem
        return {number: ends[place] for number, place in places.items()}

    def _from_the_beginning(self) -> None:
        places = [partition(self._location, self._topic, number) for number in self._numbers]
        self._consumer.assign(places)
        for place, begin in self._consumer.beginning_offsets(places).items():
            self._consumer.seek(place, begin)

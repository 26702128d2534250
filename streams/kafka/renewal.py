"""A producer that is given up for a new one when it no longer says what became of its records.

kafka-python promises an outcome for every record within its delivery time-out. Once it has let a record expire that it
had sent before (a leader died, too few replicas were in sync), it gives its producer id back and never asks for
another: nothing is sent by it any more. So a producer that has failed one record gets no further ones. All that
callfold sends has an identity that readers know (a commit's id, a fragment's place, a heartbeat's owner), so sending it
again through another producer is safe.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kafka.errors import KafkaError, KafkaTimeoutError

from streams.kafka.clients import Producer, Sent

CLOSE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class RenewedProducer:
    """Wraps the producers that ``make`` makes, one at a time; ``patience_s`` is longer than their delivery time-out."""

    def __init__(self, make: Callable[[], Producer], *, patience_s: float) -> None:
        """Raises ``UnfitCluster`` where no broker answers."""
        self._make = make
        self._making = threading.Lock()
        self._patience_s = patience_s
        self._producer: Producer | None = make()
        self._spent: Producer | None = None
        """The last producer that has failed a record."""
        self._failure = ""
        self._waiting_since: float | None = None

    def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
        partition: int | None = None,
    ) -> Sent:
        """Hand a record over. Raises ``KafkaError``, and ``UnfitCluster`` where a new producer finds no broker."""
        producer = self._usable()
        sent = producer.send(topic, value=value, key=key, headers=headers, partition=partition)
        sent.add_errback(lambda problem: self._fail(producer, problem))
        return sent

    def flush(self, timeout: float) -> None:
        """Wait until every record has its outcome. Raises ``KafkaTimeoutError`` after ``timeout`` or lost patience."""
        producer = self._producer
        if producer is None:
            return
        began = time.monotonic()
        since = began if self._waiting_since is None else self._waiting_since
        try:
            producer.flush(timeout=max(min(timeout, since + self._patience_s - began), 0.0))
        except KafkaTimeoutError:
            self._waiting_since = since
            if time.monotonic() - since >= self._patience_s:
                self._give_up(f"records have no outcome after {self._patience_s:g} s")
            raise
        self._waiting_since = None

    def renew(self) -> None:
        """Send what comes next through a new producer: this one has let a record expire."""
        if self._producer is not None:
            self._give_up("a record had no acknowledgement in time")

    def close(self) -> None:
        """Wait no longer for anything."""
        if self._producer is not None:
            _end(self._producer, CLOSE_SECONDS)

    def _usable(self) -> Producer:
        with self._making:
            if self._producer is not None and self._producer is self._spent:
                self._give_up(f"it failed a record: {self._failure}")
            if self._producer is None:
                self._producer = self._make()
            return self._producer

    def _fail(self, producer: Producer, problem: Exception) -> None:
        self._spent, self._failure = producer, str(problem) or type(problem).__name__

    def _give_up(self, reason: str) -> None:
        _log.warning("kafka.producer_renewed", extra={"reason": reason})
        silent, self._producer, self._waiting_since = self._producer, None, None
        if silent is not None:
            # Closing waits for threads of the library's; nobody here has to.
            threading.Thread(target=_end, args=(silent, 0.0), name="kafka-producer-end", daemon=True).start()


def _end(producer: Producer, timeout_s: float) -> None:
    try:
        producer.close(timeout=timeout_s)
    except KafkaError as problem:
        # Records were left; whoever sent them has been told that their outcome is unknown.
        _log.warning("kafka.producer_not_closed", extra={"reason": str(problem)})

"""The producer that is replaced when it no longer says what became of its records."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError
from kafka.future import Future

from streams.kafka.renewal import RenewedProducer
from tests.patience import PATIENCE_S


class StuckProducer:
    """Leaves every record without an outcome, and cannot even be closed in good order."""

    def __init__(self) -> None:
        self.records: list[bytes | None] = []
        self.sent: list[Any] = []
        self.closed = threading.Event()

    def send(self, topic: str, value: bytes | None = None, **_: Any) -> Any:
        self.records.append(value)
        self.sent.append(Future())
        return self.sent[-1]

    def flush(self, timeout: float | None = None) -> None:
        raise KafkaTimeoutError("stuck")

    def close(self, timeout: float | None = None) -> None:
        self.closed.set()
        raise KafkaTimeoutError("stuck")


def test_a_producer_without_outcomes_is_replaced_after_its_time_and_closed_aside() -> None:
    made: list[StuckProducer] = []

    def make() -> StuckProducer:
        made.append(StuckProducer())
        return made[-1]

    producer = RenewedProducer(make, patience_s=0.0)
    producer.send("topic", b"one")
    with pytest.raises(KafkaTimeoutError):
        producer.flush(10)
    assert made[0].closed.wait(PATIENCE_S)
    producer.flush(10)  # nothing was sent through the next one
    producer.send("topic", b"two")
    assert [one.records for one in made] == [[b"one"], [b"two"]]
    producer.renew()
    assert made[1].closed.wait(PATIENCE_S)
    producer.send("topic", b"three")
    producer.close()
    assert [one.closed.is_set() for one in made] == [True, True, True]


def test_impatience_of_the_caller_alone_replaces_nothing() -> None:
    made: list[StuckProducer] = []

    def make() -> StuckProducer:
        made.append(StuckProducer())
        return made[-1]

    producer = RenewedProducer(make, patience_s=60.0)
    producer.send("topic", b"one")
    for _ in range(3):
        with pytest.raises(KafkaTimeoutError):
            producer.flush(0.001)
    producer.send("topic", b"two")
    assert [one.records for one in made] == [[b"one", b"two"]]


def test_a_producer_that_has_failed_a_record_gets_no_further_ones() -> None:
    made: list[StuckProducer] = []

    def make() -> StuckProducer:
        made.append(StuckProducer())
        return made[-1]

    producer = RenewedProducer(make, patience_s=60.0)
    producer.send("topic", b"one")
    producer.send("topic", b"two")
    made[0].sent[0].failure(KafkaTimeoutError("expired"))
    producer.send("topic", b"three")
    made[0].sent[1].failure(KafkaTimeoutError("closed"))  # as every record of a producer that is given up
    producer.send("topic", b"four")
    assert [one.records for one in made] == [[b"one", b"two"], [b"three", b"four"]]
    assert made[0].closed.wait(PATIENCE_S)

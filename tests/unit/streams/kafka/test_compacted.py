"""Reading a compacted topic through what brokers do to a reader: lose its place, and have no leader for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from queue import Queue
from typing import Any

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, OffsetOutOfRangeError

from streams.faust.dead_topic import DeadTopic
from streams.kafka import compacted
from streams.kafka.clients import Fetched
from streams.kafka.compacted import CompactedTopic
from streams.kafka.location import KafkaLocation
from streams.kafka.record_batches import FetchedRecord
from streams.kafka.renewal import RenewedProducer

LOCATION = KafkaLocation(("nowhere:9092",))


def record(offset: int, key: bytes, value: bytes | None) -> Fetched:
    return FetchedRecord(0, 0, offset, 0, key, value, [])


class Broker:
    """A consumer that does one thing of a list at each question, and then has nothing more to say."""

    def __init__(self, *polls: KafkaError | Fetched, lookups: Sequence[KafkaError | int] = ()) -> None:
        self._polls = list(polls)
        self._lookups = list(lookups)

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> Mapping[Any, Sequence[Fetched]]:
        happens = self._polls.pop(0) if self._polls else None
        if isinstance(happens, Exception):
            raise happens
        return {"partition": [happens]} if happens is not None else {}

    def beginning_offsets(self, partitions: Sequence[Any], timeout_ms: int | None = None) -> Mapping[Any, int]:
        found = self._lookups.pop(0)
        if isinstance(found, Exception):
            raise found
        return dict.fromkeys(partitions, found)

    def end_offsets(self, partitions: Sequence[Any], timeout_ms: int | None = None) -> Mapping[Any, int]:
        return dict.fromkeys(partitions, 0)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0}

    def assign(self, partitions: Sequence[Any]) -> None: ...

    def seek(self, partition: Any, offset: int) -> None: ...

    def position(self, partition: Any) -> int:
        return 0

    def close(self) -> None: ...


def asking(broker: Broker) -> Callable[..., Broker]:
    return lambda *_, **__: broker


def test_a_place_that_is_lost_is_looked_for_until_a_broker_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(
        OffsetOutOfRangeError(), OffsetOutOfRangeError(), record(7, b"a", b"1"), lookups=(0, KafkaTimeoutError(), 7)
    )
    monkeypatch.setattr(compacted, "consumer", asking(broker))
    monkeypatch.setattr(compacted, "_RETRY_SECONDS", 0.01)
    taken: Queue[Fetched] = Queue()
    with closing(CompactedTopic.open(LOCATION, "dead", (0,), taken.put)):
        assert taken.get(timeout=60).offset == 7


def test_a_stranger_s_record_among_dead_letters_is_passed_over() -> None:
    known = b'{"type":"letter","processor":"p","originator_id":"a","shard":0,"ordinal":3,"reason":"odd","attempt":1}'
    strange = (record(0, b"letter|p|nowhere", None), record(1, b"letter", None), record(2, b"", b"[]"))
    producer = RenewedProducer(lambda: _Mute(), patience_s=1.0)
    with closing(DeadTopic(LOCATION, "me", producer, lambda: None)) as letters:
        for one in (*strange, record(3, b"letter|p|0:3", known)):
            letters._take(one)
        assert [letter.position.ordinal for letter in letters.list()] == [3]


class _Mute:
    """Nothing is sent here."""

    def send(self, *_: object, **__: object) -> Any:
        raise AssertionError("nothing is to be sent")

    def flush(self, timeout: float | None = None) -> None: ...

    def close(self, timeout: float | None = None) -> None: ...

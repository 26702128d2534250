"""A long log read through a second process comes to the same replica as one that is read without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from domain.log.envelope import Record
from streams.kafka.clients import producer
from streams.kafka.location import KafkaLocation
from streams.log.kafka.applying import ReadRecord
from streams.log.kafka.halt import Halted
from streams.log.kafka.reading_ahead import ReadingAhead
from streams.log.kafka.replica_folder import replica_path
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import on_mock, open_tally_log
from tests.contracts.tally import Added, Opened
from tests.patience import PATIENCE_S
from tests.unit.streams.log.partition import content, sent

NEWER = Record((("v", b"2"), ("commit", b"new"), ("streams", b'[["a",1]]')), b"[]")
POISON = Record((("v", b"1"),), b"nothing")


@pytest.fixture
def location(shared_mock_kafka: MockKafka) -> KafkaLocation:
    found = on_mock(shared_mock_kafka.bootstrap)
    write(found, [sent("open", ("a", 1, Opened(org_id="org-1")))])
    write(
        found,
        [
            POISON,
            *(sent(f"add-{n}", ("a", n, Added(amount=n))) for n in range(2, 100)),
            sent("add-7", ("a", 7, Added(amount=7))),
        ],
    )
    return found


def write(location: KafkaLocation, records: list[Record]) -> None:
    with closing(producer(location, linger_ms=5)) as sending:
        for record in records:
            sending.send(location.topic("log"), record.value, b"k", list(record.headers), 0)
        sending.flush(PATIENCE_S)


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Reads every stretch ahead; holds how many records came so."""
    came: list[int] = []
    batches = ReadingAhead.__iter__

    def counted(self: ReadingAhead) -> Iterator[list[ReadRecord]]:
        for batch in batches(self):
            came.append(len(batch))
            yield batch

    monkeypatch.setattr(ReadingAhead, "__iter__", counted)
    monkeypatch.setattr("streams.log.kafka.follower.LEAST_RECORDS", 1)
    return came


def test_both_ways_of_reading_come_to_the_same(location: KafkaLocation, tmp_path: Path, ahead: list[int]) -> None:
    with closing(open_tally_log(location, tmp_path / "ahead")) as node:
        tail = node.tail()
        assert node.verify().broken is None
    assert sum(ahead) == 101
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("streams.log.kafka.follower.LEAST_RECORDS", 10**9)
        with closing(open_tally_log(location, tmp_path / "alone")) as node:
            assert node.tail() == tail
    assert content(replica_path(tmp_path / "ahead", 0)) == content(replica_path(tmp_path / "alone", 0))
    write(location, [sent("later", ("a", 100, Added(amount=1)))])
    with closing(open_tally_log(location, tmp_path / "ahead")) as node:
        assert (node.tail().next_offset, sum(ahead)) == (102, 102)


def test_a_newer_writers_record_halts_all_the_same(location: KafkaLocation, tmp_path: Path, ahead: list[int]) -> None:
    write(location, [NEWER, sent("after", ("a", 100, Added(amount=1)))])
    with pytest.raises(Halted, match="halted at offset 101"):
        open_tally_log(location, tmp_path / "node")
    assert sum(ahead) == 101


def test_a_process_that_does_not_come_up_is_done_without(
    location: KafkaLocation, tmp_path: Path, ahead: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with closing(open_tally_log(location, tmp_path / "node")) as node:
        assert (node.tail().next_offset, ahead) == (101, [])

"""Fragments on real brokers: what stands on the topic, what expires, what strangers leave there, brokers that stall."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaProducer

from domain.log.ports import LogUnavailable, OutcomeUnknown
from infra.kafka.cluster import DevCluster
from streams.kafka.clients import Fetched, admin, consumer, partition, producer
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import Prepared, prepare
from streams.media_log import kafka as fragments_on_kafka
from streams.media_log.kafka import KafkaFragmentLog
from tests.brokers import MOCK_API_VERSION, MockKafka, fresh_topic
from tests.contracts.fragment_contract import batch, fragment, numbers
from tests.contracts.kafka_nodes import NotUtf8

QUICK_MS = 20


class Installation:
    """Topics of its own on the shared broker, and logs opened on them."""

    def __init__(self, location: KafkaLocation, prepared: Prepared, folder: Path, closing_later: ExitStack) -> None:
        self.location = location
        self.prepared = prepared
        self.index = folder / "media.db"
        self._opened = closing_later

    def open(self) -> KafkaFragmentLog:
        log = KafkaFragmentLog.open(
            self.location, self.index, topic_id=self.prepared.media_topic_id, fetch_wait_ms=QUICK_MS
        )
        return self._opened.enter_context(closing(log))

    def records(self) -> list[Fetched]:
        """Everything on the topic."""
        places = [partition(self.location, "media", number) for number in range(12)]
        with closing(consumer(self.location, fetch_wait_ms=QUICK_MS)) as reading:
            ends = reading.end_offsets(places)
            reading.assign(places)
            for place, beginning in reading.beginning_offsets(places).items():
                reading.seek(place, beginning)
            found: list[Fetched] = []
            while any(reading.position(place) < end for place, end in ends.items()):
                found += [record for records in reading.poll(timeout_ms=QUICK_MS).values() for record in records]
            return found


@pytest.fixture
def here(kafka_broker: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setattr(fragments_on_kafka, "READ_SECONDS", 60.0)  # a busy machine lets the index wait
    location = KafkaLocation.parse(f"kafka://{kafka_broker.bootstrap}?topics={fresh_topic('media')}")
    with ExitStack() as opened:
        yield Installation(location, prepare(location, replication=1), tmp_path, opened)


def test_a_record_is_one_batch_that_any_tool_can_read(here: Installation) -> None:
    log = here.open()
    log.append([batch("call-1", "media-1", fragment(1, 5, "mark.t0"), fragment(2, 9, "model.delta", text="hi"))])
    log.append([batch("call-1", "media-1", fragment(3, 12), dropped=1)])
    first, second = here.records()
    assert (first.key, first.partition) == (b"call-1", second.partition)
    assert dict(second.headers)["dropped"] == b"1"
    assert first.value is not None
    value = json.loads(first.value)
    assert value["call_id"] == "call-1"
    assert [found["type"] for found in value["fragments"]] == ["mark.t0", "model.delta"]


def test_calls_spread_over_partitions(here: Installation) -> None:
    log = here.open()
    log.append([batch(str(uuid4()), "media-1", fragment(1, 1)) for _ in range(100)])
    assert len({record.partition for record in here.records()}) == 12


def test_a_batch_larger_than_a_record_is_several(here: Installation) -> None:
    log = here.open()
    sent = [fragment(seq, seq, "transcript.final", text="é" * 500_000) for seq in range(1, 8)]
    log.append([batch("call-1", "media-1", *sent)])
    assert len(here.records()) > 1
    assert log.read("call-1") == sent


def test_a_lost_index_is_made_again(here: Installation) -> None:
    log = here.open()
    log.append([batch("call-1", "media-1", fragment(seq, seq)) for seq in range(1, 4)])
    log.close()
    for file in here.index.parent.glob("media.db*"):
        file.unlink()
    assert numbers(here.open().read("call-1")) == [1, 2, 3]


def test_an_index_that_is_no_database_is_refused_by_name(here: Installation) -> None:
    here.index.write_bytes(b"x" * 4096)
    with pytest.raises(LogUnavailable, match=r"index of fragments .* can be deleted"):
        here.open()


def test_what_expired_is_gone_and_the_rest_is_read(here: Installation) -> None:
    log = here.open()
    log.append([batch("call-1", "media-1", fragment(seq, seq)) for seq in range(1, 6)])
    assert numbers(log.read("call-1")) == [1, 2, 3, 4, 5]
    place = partition(here.location, "media", here.records()[0].partition)
    with admin(here.location) as client:
        client.delete_records({place: 3})
    assert numbers(log.read("call-1")) == [4, 5]


def test_a_node_that_was_away_while_records_expired_goes_on(here: Installation) -> None:
    log = here.open()
    log.append([batch("call-1", "media-1", fragment(1, 1))])
    assert numbers(log.read("call-1")) == [1]
    log.close()
    with closing(KafkaFragmentLog.open(here.location, here.index.with_name("b.db"), topic_id="")) as other:
        other.append([batch("call-1", "media-1", fragment(seq, seq)) for seq in range(2, 6)])
    with admin(here.location) as client:
        client.delete_records({partition(here.location, "media", here.records()[0].partition): 4})
    again = here.open()
    assert numbers(again.read("call-1")) == [5]
    again.append([batch("call-1", "media-1", fragment(6, 6))])
    assert numbers(again.read("call-1")) == [5, 6]


def test_strangers_records_are_passed_over(here: Installation) -> None:
    log = here.open()
    log.append([batch("call-1", "media-1", fragment(1, 1))])
    place = here.records()[0].partition
    topic = here.location.topic("media")
    with closing(producer(here.location)) as strange:
        for value, headers in (
            (b"not json", []),
            (b'{"call_id": 1}', [("v", b"1"), ("call", b"call-1"), ("source", b"x"), ("seqs", b"[1,1]")]),
            (b"{}", [("v", b"9"), ("call", b"call-1")]),
            (None, []),
        ):
            strange.send(topic, value=value, key=b"call-1", headers=headers, partition=place).get(timeout=60)
    log.append([batch("call-1", "media-1", fragment(2, 2))])
    assert numbers(log.read("call-1")) == [1, 2]
    assert log.dropped("call-1") == 0


def test_records_that_the_client_cannot_take_apart_are_passed_over(here: Installation) -> None:
    log = here.open()
    log.append([batch("call-1", "media-1", fragment(1, 1))])
    place = here.records()[0].partition
    with closing(producer(here.location, linger_ms=50)) as strange:
        for _ in range(3):
            strange.send(here.location.topic("media"), b"{}", b"x", [(NotUtf8("name"), b"")], place)
        strange.flush(60)
    log.append([batch("call-1", "media-1", fragment(2, 2))])
    assert numbers(log.read("call-1")) == [1, 2]


def test_several_threads_write_and_read_at_once(here: Installation) -> None:
    log = here.open()

    def hold(call: str) -> list[int]:
        for seq in range(1, 11):
            log.append([batch(call, "media-1", fragment(seq, seq))])
        return numbers(log.read(call))

    with ThreadPoolExecutor(8) as calls:
        assert list(calls.map(hold, [str(uuid4()) for _ in range(16)])) == [list(range(1, 11))] * 16


def test_a_missing_topic_is_refused_by_name(kafka_broker: DevCluster, tmp_path: Path) -> None:
    location = KafkaLocation.parse(f"kafka://{kafka_broker.bootstrap}?topics={fresh_topic('none')}")
    with pytest.raises(LogUnavailable, match=r"none-.*\.media is missing"):
        KafkaFragmentLog.open(location, tmp_path / "media.db", topic_id="")


def test_a_broker_that_stalls_leaves_the_outcome_unknown_and_sending_again_settles_it(
    mock_kafka: MockKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fragments_on_kafka, "DELIVERY_MS", 500)
    location = KafkaLocation(tuple(mock_kafka.bootstrap.split(",")), protocol=MOCK_API_VERSION)
    with closing(KafkaProducer(bootstrap_servers=mock_kafka.bootstrap, api_version=MOCK_API_VERSION)) as naming:
        assert naming.partitions_for(location.topic("media"))
    log = KafkaFragmentLog.open(location, tmp_path / "media.db", topic_id="", fetch_wait_ms=QUICK_MS)
    with closing(log):
        log.append([batch("call-1", "media-1", fragment(1, 1))])
        waiting = [batch("call-1", "media-1", fragment(2, 2)), batch("call-1", "media-1", fragment(3, 3), dropped=2)]
        mock_kafka.pause()
        try:
            with pytest.raises(OutcomeUnknown, match="send the same batches again"):
                log.append(waiting)
        finally:
            mock_kafka.resume()
        log.append(waiting)
        assert numbers(log.read("call-1")) == [1, 2, 3]
        assert log.dropped("call-1") == 2


@pytest.mark.long
def test_a_killed_leader_loses_and_repeats_nothing(kafka_brokers: DevCluster, tmp_path: Path) -> None:
    location = KafkaLocation.parse(f"kafka://{kafka_brokers.bootstrap}?topics={fresh_topic('media')}")
    with ExitStack() as opened:
        here = Installation(location, prepare(location), tmp_path, opened)
        log = here.open()

        def append(seq: int) -> None:
            waiting = [batch("call-1", "media-1", fragment(seq, seq))]
            while True:
                try:
                    return log.append(waiting)
                except OutcomeUnknown:
                    continue

        append(1)
        with admin(location) as client:
            (topic,) = client.describe_topics([location.topic("media")])
        number = here.records()[0].partition
        leader = next(part["leader_id"] for part in topic["partitions"] if part["partition_index"] == number)
        for seq in range(2, 20):
            append(seq)
        kafka_brokers.kill(leader)
        for seq in range(20, 40):
            append(seq)
        assert numbers(log.read("call-1")) == list(range(1, 40))
        other = KafkaFragmentLog.open(location, tmp_path / "other.db", topic_id=here.prepared.media_topic_id)
        assert numbers(opened.enter_context(closing(other)).read("call-1")) == list(range(1, 40))

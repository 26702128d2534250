"""The fragment contract on Kafka: on librdkafka's mock cluster, and on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest
from kafka import KafkaProducer

from infra.kafka.cluster import DevCluster
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import prepare
from streams.media_log.kafka import KafkaFragmentLog
from tests.brokers import MOCK_API_VERSION, MockKafka, fresh_topic
from tests.contracts.fragment_contract import FragmentContract, OpenNode

QUICK_MS = 20
"""The mock cluster answers an empty fetch only after its longest wait."""


def nodes(location: KafkaLocation, topic_id: str, folder: Path) -> Iterator[OpenNode]:
    """Every node opened has an index of its own."""
    numbers = count()
    with ExitStack() as opened:

        def open_node() -> KafkaFragmentLog:
            index = folder / f"node-{next(numbers)}" / "media.db"
            log = KafkaFragmentLog.open(location, index, topic_id=topic_id, fetch_wait_ms=QUICK_MS)
            return opened.enter_context(closing(log))

        yield open_node


class TestFragmentsOnMockCluster(FragmentContract):
    @pytest.fixture
    def open_node(self, mock_kafka: MockKafka, tmp_path: Path) -> Iterator[OpenNode]:
        location = KafkaLocation(tuple(mock_kafka.bootstrap.split(",")), protocol=MOCK_API_VERSION)
        # The mock cluster makes a topic when a client that does not forbid it names one.
        with closing(KafkaProducer(bootstrap_servers=mock_kafka.bootstrap, api_version=MOCK_API_VERSION)) as naming:
            assert naming.partitions_for(location.topic("media"))
        yield from nodes(location, "", tmp_path)


@pytest.fixture(scope="module")
def topics(kafka_broker: DevCluster) -> tuple[KafkaLocation, str]:
    location = KafkaLocation.parse(f"kafka://{kafka_broker.bootstrap}?topics={fresh_topic('fragments')}")
    return location, prepare(location, replication=1).media_topic_id


class TestFragmentsOnBroker(FragmentContract):
    @pytest.fixture
    def open_node(self, topics: tuple[KafkaLocation, str], tmp_path: Path) -> Iterator[OpenNode]:
        yield from nodes(*topics, tmp_path)

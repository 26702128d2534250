"""The log contract on Kafka: on librdkafka's mock cluster, and on a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.kafka.cluster import DevCluster
from streams.log.kafka.log import KafkaLog
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import nodes, on_broker, on_mock
from tests.contracts.log_contract import LogContract


class TestLogOnMockCluster(LogContract):
    @pytest.fixture
    def open_node(self, tmp_path: Path, shared_mock_kafka: MockKafka) -> Iterator[Callable[[], KafkaLog]]:
        with nodes(on_mock(shared_mock_kafka.bootstrap), tmp_path) as open_node:
            yield open_node


class TestLogOnKafka(LogContract):
    @pytest.fixture
    def open_node(self, tmp_path: Path, kafka_broker: DevCluster) -> Iterator[Callable[[], KafkaLog]]:
        with nodes(on_broker(kafka_broker.bootstrap), tmp_path) as open_node:
            yield open_node

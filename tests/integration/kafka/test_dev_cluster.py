"""A real broker does what clients ask of it, and the command line runs one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from infra.kafka.cluster import DevCluster
from infra.kafka.processes import Condition
from tests.brokers import MOCK_API_VERSION, MockKafka, fresh_topic
from tests.integration.kafka.observing import Topic


@pytest.fixture
def topic(kafka_broker: DevCluster) -> Topic:
    topic = Topic(kafka_broker, fresh_topic())
    topic.create(copies_on=[1])
    return topic


def test_what_callfolds_client_sends_another_client_reads(kafka_broker: DevCluster, topic: Topic) -> None:
    with closing(KafkaProducer(bootstrap_servers=kafka_broker.bootstrap, acks="all")) as producer:
        producer.send(topic.name, b"a call began", partition=0).get(timeout=60)

    assert topic.records() == [b"a call began"]


def test_groups_and_transactions_work_on_one_broker(kafka_broker: DevCluster, topic: Topic) -> None:
    """Their topics ask for three copies unless told otherwise."""
    partition = TopicPartition(topic.name, 0)
    settings = {"bootstrap_servers": kafka_broker.bootstrap}
    with closing(KafkaProducer(**settings, transactional_id=topic.name)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic.name, b"in a transaction", partition=0)
        producer.commit_transaction()
    with closing(KafkaConsumer(**settings, group_id=topic.name, enable_auto_commit=False)) as consumer:
        consumer.assign([partition])
        consumer.commit({partition: OffsetAndMetadata(1, "", -1)})

        assert consumer.committed(partition) == 1


def test_a_mistyped_topic_is_refused_instead_of_made(kafka_broker: DevCluster) -> None:
    with pytest.raises(KafkaException, match=r"UNKNOWN_TOPIC_OR_PART|_UNKNOWN_TOPIC|_MSG_TIMED_OUT"):
        Topic(kafka_broker, fresh_topic("mistyped")).append(b"lost?", seconds=1)


def test_the_mock_cluster_takes_a_record(mock_kafka: MockKafka) -> None:
    servers = mock_kafka.bootstrap
    with closing(KafkaProducer(bootstrap_servers=servers, api_version=MOCK_API_VERSION, acks="all")) as producer:
        sent = producer.send(fresh_topic(), b"a call began", partition=0).get(timeout=60)

    assert sent.offset == 0


class CommandLine:
    """``callfold dev kafka`` for one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(self.command(arguments), check=True, capture_output=True, text=True, timeout=120).stdout

    def command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "infra.cli", "dev", "kafka", *arguments, "--dir", str(self._folder)]

    def condition(self) -> str:
        told: dict[str, Any] = json.loads(self("status", "--json"))
        return str(told["brokers"][0]["condition"])


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("kafka_broker")  # which skips where no broker can run
@pytest.mark.long
def test_a_cluster_from_the_command_line_keeps_its_records_through_a_kill(tmp_path: Path) -> None:
    kafka = CommandLine(tmp_path / "cluster")
    cluster = DevCluster(tmp_path / "cluster", install=_unasked)
    try:
        told = json.loads(kafka("up", "--brokers", "1", "--json"))
        topic = Topic(cluster, "calls")
        topic.create(copies_on=[1])
        topic.append(b"acknowledged")
        assert told["log"] == cluster.log_url

        kafka("kill", "1")
        assert kafka.condition() == "dead"

        foreground = subprocess.Popen(kafka.command(["up", "--foreground", "--json"]), stdout=subprocess.PIPE)
        assert foreground.stdout is not None
        again = json.loads(_until(b"}\n", foreground))
        assert again["bootstrap"] == told["bootstrap"]
        assert topic.records() == [b"acknowledged"]
        foreground.send_signal(signal.SIGTERM)
        foreground.communicate(timeout=60)
        assert foreground.returncode == 0
        assert cluster.statuses()[0].condition is Condition.DEAD
    finally:
        cluster.destroy()


def _unasked() -> Any:
    raise AssertionError("only the command line starts brokers here")


def _until(end: bytes, process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    lines: list[bytes] = []
    while not lines or lines[-1] != end:
        lines.append(process.stdout.readline())
        assert lines[-1], "the command ended"
    return b"".join(lines)

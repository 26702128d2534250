"""Real brokers: they serve what clients ask of them, and come back from what is done to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from infra.kafka.cluster import DevCluster
from tests.brokers import MOCK_API_VERSION, MockKafka, fresh_topic


@contextmanager
def admin_of(cluster: DevCluster) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=cluster.bootstrap)) as admin:
        yield admin


def test_a_record_that_one_client_sends_is_read_by_another(kafka_broker: DevCluster) -> None:
    topic = fresh_topic()
    with admin_of(kafka_broker) as admin:
        admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    with closing(KafkaProducer(bootstrap_servers=kafka_broker.bootstrap, acks="all")) as producer:
        sent = producer.send(topic, b"a call began", partition=0).get(timeout=30)

    partition = TopicPartition(topic, 0)
    with closing(KafkaConsumer(bootstrap_servers=kafka_broker.bootstrap, group_id=None)) as consumer:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        record = next(consumer)

    assert (record.offset, record.value) == (sent.offset, b"a call began")


def test_the_mock_cluster_takes_a_record(mock_kafka: MockKafka) -> None:
    servers = mock_kafka.bootstrap
    with closing(KafkaProducer(bootstrap_servers=servers, api_version=MOCK_API_VERSION, acks="all")) as producer:
        sent = producer.send(fresh_topic(), b"a call began", partition=0).get(timeout=30)

    assert sent.offset == 0

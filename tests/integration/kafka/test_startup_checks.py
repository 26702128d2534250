"""Starting on real brokers: what is missing is made, and what could lose records is refused before anything is."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaConnectionError

from infra.data_folder import DataFolder
from infra.kafka.cluster import DevCluster
from infra.settings import Settings
from infra.storage_on_kafka import opened_on_kafka
from streams.kafka import connecting
from streams.kafka.clients import admin, producer
from streams.kafka.identity import check_identity
from streams.kafka.location import KafkaLocation
from streams.kafka.rules import LEAST_RETENTION, topic_rules
from streams.kafka.topics import Prepared, check_room, prepare
from streams.kafka.unfit import UnfitCluster
from tests.brokers import MOCK_API_VERSION, MockKafka, fresh_topic

TOPICS = ("dead", "heads", "leases", "live", "live-media", "log", "media")


def at(cluster: DevCluster) -> KafkaLocation:
    return KafkaLocation.parse(f"kafka://{cluster.bootstrap}?topics={fresh_topic('start')}")


@pytest.fixture
def location(kafka_broker: DevCluster) -> KafkaLocation:
    return at(kafka_broker)


def topics_of(location: KafkaLocation) -> list[str]:
    with admin(location) as client:
        return sorted(name for name in client.list_topics() if name.startswith(location.prefix))


def change(location: KafkaLocation, topic: str, settings: Mapping[str, str]) -> None:
    """What an operator's kafka-configs --alter does. Brokers hear of it one after the other."""
    with admin(location) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, location.topic(topic), dict(settings))])


def eventually(happened: Callable[[], bool]) -> None:
    """Ask until it is so; every time costs round trips, which is pause enough."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline


def accepted(location: KafkaLocation, *, shards: int = 1) -> Prepared | None:
    try:
        return prepare(location, shards=shards, replication=1)
    except UnfitCluster:
        return None


def refusal(location: KafkaLocation, **options: Any) -> str:
    """The sentence, once it is sure that it cost nothing."""
    before = topics_of(location)
    said: list[str] = []

    def refused() -> bool:
        try:
            prepare(location, **{"replication": 1, **options})
        except UnfitCluster as sentence:
            # A broker on a busy machine may be late; that is said too, and is not what is asked about.
            if "no Kafka broker answers" not in str(sentence):
                said.append(str(sentence))
        return bool(said)

    eventually(refused)
    assert topics_of(location) == before
    return said[0]


def test_missing_topics_are_made_once_and_found_again(location: KafkaLocation) -> None:
    made = prepare(location, shards=4, replication=1)
    assert topics_of(location) == [location.topic(name) for name in TOPICS]
    assert (made.shards, made.brokers) == (4, 1)
    assert prepare(location, shards=4, replication=1) == made


def test_nodes_that_start_at_the_same_time_find_the_same_topics(location: KafkaLocation) -> None:
    together = threading.Barrier(3)

    def start() -> Prepared:
        together.wait()
        return prepare(location, shards=2, replication=1)

    with ThreadPoolExecutor(3) as nodes:
        found = [node.result() for node in [nodes.submit(start) for _ in range(3)]]
    assert len(set(found)) == 1


def test_live_figures_of_fragments_get_the_partitions_that_fragments_have(location: KafkaLocation) -> None:
    settings = next(rules for rules in topic_rules(1, LEAST_RETENTION) if rules.name == "media").settings(1)
    with admin(location) as client:
        client.create_topics(
            {location.topic("media"): {"num_partitions": 5, "replication_factor": 1, "configs": settings}}
        )
        client.wait_for_topics([location.topic("media")])
    prepare(location, replication=1)
    with admin(location) as client:
        (made,) = client.describe_topics([location.topic("live-media")])
        assert len(made["partitions"]) == 5
        client.create_partitions({location.topic("media"): 6})
    assert f"--topic {location.topic('live-media')} --partitions 6" in refusal(location)


def test_records_go_to_topics_that_were_made(location: KafkaLocation) -> None:
    prepare(location, shards=2, replication=1)
    with closing(producer(location)) as sending:
        sent = sending.send(location.topic("log"), value=b"[]", key=b"k", headers=[("v", b"1")], partition=1)
        assert sent.get(timeout=60).offset == 0


def test_a_record_without_a_partition_is_never_placed_by_a_hash(location: KafkaLocation) -> None:
    prepare(location, replication=1)
    with closing(producer(location)) as sending, pytest.raises(ValueError, match="names no partition"):
        sending.send(location.topic("log"), value=b"[]", key=b"k")


def test_one_broker_is_refused_unless_asked_for(location: KafkaLocation) -> None:
    said = refusal(location, replication=3)
    assert "the cluster has 1 broker" in said
    assert "CALLFOLD_KAFKA_REPLICATION=1" in said


def test_a_topic_with_one_copy_is_refused_on_three_brokers(kafka_brokers: DevCluster) -> None:
    location = at(kafka_brokers)
    prepare(location, replication=1)
    said = refusal(location, replication=3)
    assert "keeps its records on one broker only" in said


def test_three_brokers_keep_three_copies_and_acknowledge_two(kafka_brokers: DevCluster) -> None:
    location = at(kafka_brokers)
    prepare(location)
    with admin(location) as client:
        described = client.describe_topics([location.topic(name) for name in TOPICS])
        assert {len(part["replica_nodes"]) for topic in described for part in topic["partitions"]} == {3}
    change(location, "media", {"min.insync.replicas": "1"})
    said = refusal(location, replication=3)
    assert location.topic("media") in said
    assert "--add-config min.insync.replicas=2" in said


@pytest.mark.parametrize(
    ("topic", "changed", "fix"),
    [
        ("log", {"min.insync.replicas": "2"}, "min.insync.replicas=1"),
        ("log", {"unclean.leader.election.enable": "true"}, "unclean.leader.election.enable=false"),
        ("log", {"cleanup.policy": "compact"}, "cleanup.policy=delete"),
        ("log", {"retention.ms": "3600000"}, "retention.ms=-1"),
        ("log", {"retention.bytes": "1000000000"}, "retention.bytes=-1"),
        ("log", {"max.message.bytes": "1048588"}, "max.message.bytes=4194304"),
        ("heads", {"cleanup.policy": "delete"}, "cleanup.policy=compact"),
        ("media", {"cleanup.policy": "compact"}, "cleanup.policy=delete"),
    ],
)
def test_a_setting_that_could_lose_records_is_refused_and_its_fix_helps(
    location: KafkaLocation, topic: str, changed: Mapping[str, str], fix: str
) -> None:
    made = prepare(location, replication=1)
    change(location, topic, changed)
    said = refusal(location)
    assert said.startswith(f"topic {location.topic(topic)} ")
    assert said.endswith(f"--add-config {fix}")
    name, _, value = fix.partition("=")
    change(location, topic, {name: value})
    eventually(lambda: accepted(location) == made)


def test_a_wrong_topic_is_refused_before_the_others_are_made(location: KafkaLocation) -> None:
    with admin(location) as client:
        client.create_topics({location.topic("heads"): {"num_partitions": 1, "replication_factor": 1}})
        client.wait_for_topics([location.topic("heads")])
    assert "max.message.bytes" in refusal(location) or "cleanup.policy" in refusal(location)
    assert topics_of(location) == [location.topic("heads")]


def test_a_changed_number_of_shards_is_refused_both_ways(location: KafkaLocation) -> None:
    prepare(location, shards=2, replication=1)
    assert "set CALLFOLD_KAFKA_SHARDS=2 on every node" in refusal(location, shards=1)
    said = refusal(location, shards=3)
    assert f"kafka-topics --alter --topic {location.topic('log')} --partitions 3" in said
    with admin(location) as client:
        client.create_partitions({location.topic("log"): 3})
    eventually(lambda: "topic " + location.topic("live") in refusal(location, shards=3))
    with admin(location) as client:
        client.create_partitions({location.topic("live"): 3})
    eventually(lambda: accepted(location, shards=3) is not None)


def test_a_full_disk_of_a_broker_is_refused(location: KafkaLocation) -> None:
    said = refusal(location, least_free_bytes=2**60)
    assert "the disk of broker 1 (" in said
    assert "is full" in said


def test_a_full_disk_of_the_node_is_refused(tmp_path: Path) -> None:
    check_room(tmp_path, least_free_bytes=1)
    with pytest.raises(UnfitCluster, match="is full") as refused:
        check_room(tmp_path, least_free_bytes=2**60)
    assert refused.value.full


def test_a_topic_that_was_made_again_is_not_the_same_log(location: KafkaLocation) -> None:
    before = prepare(location, replication=1)
    with admin(location) as client:
        client.delete_topics([location.topic("log")])
    eventually(lambda: location.topic("log") not in topics_of(location))
    after = prepare(location, replication=1)
    assert after.media_topic_id == before.media_topic_id
    with pytest.raises(UnfitCluster, match="was deleted and made again"):
        check_identity(before.identity, after.identity, topic=location.topic("log"), replica="data/log-0.db")


def refused_storage(location: KafkaLocation, folder: Path) -> str:
    """The sentence with which a process refuses to start on a data folder that has been used."""
    settings = Settings(_env_file=None, data_dir=folder, kafka_replication=1)
    with (
        DataFolder(folder).own() as seat,
        ExitStack() as closing,
        pytest.raises(UnfitCluster) as refused,
    ):
        opened_on_kafka(settings, location, seat, closing)
    return str(refused.value)


@pytest.fixture
def used(tmp_path: Path, location: KafkaLocation) -> Path:
    """The data folder of a process that has worked on ``location``."""
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", kafka_replication=1)
    with DataFolder(tmp_path / "data").own() as seat, ExitStack() as closing:
        opened_on_kafka(settings, location, seat, closing)
    return tmp_path / "data"


def test_a_second_cluster_is_refused_before_anything_is_made_on_it(
    used: Path, location: KafkaLocation, kafka_brokers: DevCluster
) -> None:
    other = KafkaLocation(tuple(kafka_brokers.bootstrap.split(",")), location.prefix)

    said = refused_storage(other, used)

    assert "was made from Kafka cluster" in said
    assert "correct CALLFOLD_LOG, or use another data folder" in said
    assert topics_of(other) == []
    prepare(other, replication=1)
    assert refused_storage(other, used) == said, "also where another log has the same topics"


def test_a_log_that_is_gone_is_not_begun_anew(used: Path, location: KafkaLocation) -> None:
    with admin(location) as client:
        client.delete_topics([location.topic("log")])
    eventually(lambda: location.topic("log") not in topics_of(location))

    assert f"topic {location.topic('log')} is gone" in refused_storage(location, used)
    assert location.topic("log") not in topics_of(location)


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_MS", 700)


@pytest.fixture
def stranger() -> Iterator[str]:
    """An address where something listens that is no broker."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:9092"])
def test_a_wrong_address_is_refused(address: str) -> None:
    with pytest.raises(UnfitCluster, match=f"no Kafka broker answers at {address} .*correct the addresses"):
        prepare(KafkaLocation.parse(f"kafka://{address}"))


@pytest.mark.usefixtures("in_a_hurry")
def test_an_address_of_something_else_is_refused(stranger: str) -> None:
    with pytest.raises(UnfitCluster, match=f"no Kafka broker answers at {stranger}"):
        prepare(KafkaLocation.parse(f"kafka://{stranger}"))


def test_a_silent_address_among_others_holds_nobody_up(
    kafka_broker: DevCluster, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen broker takes connections and says nothing; here it is the first to be asked."""
    monkeypatch.setattr(connecting, "FIRST_ANSWER_MS", 300)
    monkeypatch.setattr("random.SystemRandom.sample", lambda _, addresses, count: list(addresses))
    location = KafkaLocation((stranger, kafka_broker.bootstrap), fresh_topic("start"))
    assert prepare(location, replication=1).brokers == 1


def test_a_broker_that_has_just_died_holds_nobody_up(location: KafkaLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a cluster counts it as lost, a dead broker is named among those to be asked for their disks."""
    made, asked = prepare(location, replication=1), count()
    answers = KafkaAdminClient.describe_log_dirs

    def first_by_the_dead(client: KafkaAdminClient, **options: Any) -> Any:
        if next(asked) < 2:
            raise KafkaConnectionError("111 ECONNREFUSED")
        return answers(client, **options)

    monkeypatch.setattr(KafkaAdminClient, "describe_log_dirs", first_by_the_dead)
    assert prepare(location, replication=1) == made


def test_a_broker_that_stays_dead_is_told_of(location: KafkaLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: object, **__: object) -> None:
        raise KafkaConnectionError("111 ECONNREFUSED")

    monkeypatch.setattr(KafkaAdminClient, "describe_log_dirs", dead)
    monkeypatch.setattr("streams.kafka.topics._SETTLE_SECONDS", 0.0)
    with pytest.raises(UnfitCluster, match=r"no Kafka broker answers at .*111 ECONNREFUSED"):
        prepare(location, replication=1)


def test_a_producer_that_is_closed_leaves_nothing_running(mock_kafka: MockKafka) -> None:
    location = KafkaLocation(tuple(mock_kafka.bootstrap.split(",")), fresh_topic("start"), MOCK_API_VERSION)
    sending = producer(location)
    sending.send(location.topic("log"), value=b"1", partition=0).get(timeout=60)
    before = {thread for thread in threading.enumerate() if thread.name.startswith("callfold-network")}
    mock_kafka.pause()
    left = sending.send(location.topic("log"), value=b"2", partition=0)
    sending.close(timeout=0.1)
    for thread in before:
        thread.join(60)
    assert not any(thread.is_alive() for thread in before)
    assert left.failed()


def test_old_brokers_are_refused(mock_kafka: MockKafka) -> None:
    location = KafkaLocation(tuple(mock_kafka.bootstrap.split(",")), protocol=MOCK_API_VERSION)
    with pytest.raises(UnfitCluster, match=r"run Kafka 2\.2, and the log needs 3\.3 or newer"):
        prepare(location, replication=1)


@pytest.mark.parametrize("package", ["crc32c", "zstandard"])
def test_a_missing_package_is_refused(location: KafkaLocation, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnfitCluster, match=f"package {package} is not installed.*pip install {package}"):
        prepare(location, replication=1)
    with pytest.raises(UnfitCluster, match=package):
        producer(location)
    monkeypatch.undo()
    assert topics_of(location) == []

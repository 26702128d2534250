"""Opening logs on Kafka for tests: on librdkafka's mock cluster, or on a real broker under topics of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from streams.kafka.clients import admin
from streams.kafka.identity import LogIdentity
from streams.kafka.location import KafkaLocation
from streams.kafka.rules import LEAST_RETENTION, topic_rules
from streams.log.kafka.log import KafkaLog
from tests.brokers import MOCK_API_VERSION, fresh_topic
from tests.contracts.log_contract import SteppingClock, new_id
from tests.contracts.tally import TALLIES, TALLY_TYPES

MOCK_FETCH_WAIT_MS = 5
"""The mock cluster answers an empty fetch only when its longest wait is over, even when records came meanwhile."""

MOCK_IDENTITY = LogIdentity("mock", "mock")


class NotUtf8(str):
    """The name of a header as another client might write it, and ours cannot read."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff" + super().encode(encoding, errors)


def on_mock(bootstrap: str, prefix: str | None = None) -> KafkaLocation:
    return KafkaLocation((bootstrap,), prefix or fresh_topic("t"), MOCK_API_VERSION)


def on_broker(bootstrap: str) -> KafkaLocation:
    return KafkaLocation(tuple(bootstrap.split(",")), fresh_topic("t"))


def made_log(location: KafkaLocation, shards: int, replication: int) -> LogIdentity:
    """The topic of commits, found or made as ``prepare`` makes it, but without the twenty partitions of the others."""
    rules, name = topic_rules(shards, LEAST_RETENTION)[0], location.topic("log")
    with admin(location) as client:
        if name not in client.list_topics():
            made = {
                "num_partitions": shards,
                "replication_factor": replication,
                "configs": rules.settings(replication),
            }
            client.create_topics({name: made})
            client.wait_for_topics([name])
        (topic,) = client.describe_topics([name])
        return LogIdentity(client.describe_cluster()["cluster_id"], str(topic["topic_id"]))


def open_tally_log(
    location: KafkaLocation, folder: Path, *, shards: int = 1, replication: int = 1, **options: Any
) -> KafkaLog:
    """A node with replicas in ``folder``; on a real broker the log's topic is made first, and no other."""
    identity = MOCK_IDENTITY
    if location.protocol is None:
        identity = made_log(location, shards, replication)
    else:
        options.setdefault("fetch_wait_ms", MOCK_FETCH_WAIT_MS)
    given = {
        "clock": SteppingClock(),
        "new_id": new_id,
        "aggregates": TALLIES,
        "types": TALLY_TYPES,
        **options,
    }
    return KafkaLog.open(location, folder, identity=identity, shards=shards, **given)


@contextmanager
def nodes(location: KafkaLocation, folder: Path, **options: Any) -> Iterator[Callable[[], KafkaLog]]:
    """Opens as many nodes on one log as a test wants, each with replicas of its own, and closes them."""
    opened: list[KafkaLog] = []
    numbers, clock = count(), SteppingClock()

    def open_node() -> KafkaLog:
        node = open_tally_log(location, folder / f"node-{next(numbers)}", **{"clock": clock, **options})
        opened.append(node)
        return node

    yield open_node
    for node in opened:
        node.close()

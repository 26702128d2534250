"""What a cluster says of itself and keeps, asked through librdkafka: another client than the one callfold uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, ElectionType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.kafka.cluster import DevCluster

SECONDS = 60.0
NO_LEADER = -1
_ONE_ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Who leads a partition and who has every acknowledged record of it."""

    leader: int
    in_sync: frozenset[int]


_NOWHERE = Placement(NO_LEADER, frozenset())


class Topic:
    """One partition of a topic, on a cluster in whatever state."""

    def __init__(self, cluster: DevCluster, name: str) -> None:
        self.name = name
        self._client: dict[str, str | int | float | bool] = {
            "bootstrap.servers": cluster.bootstrap,
            # librdkafka goes on asking a broker that does not answer for as long as this, a minute by default.
            "socket.timeout.ms": 3000,
            "log_level": 0,
        }
        self._admin = AdminClient(self._client)

    def create(self, *, copies_on: list[int], settings: Mapping[str, str] | None = None) -> None:
        """Make it with its copies on these brokers, the first of which leads."""
        new = NewTopic(self.name, 1, replica_assignment=[copies_on], config=dict(settings or {}))
        self._admin.create_topics([new])[self.name].result(SECONDS)
        self.await_placement(lambda now: now.in_sync == set(copies_on))

    def placement(self) -> Placement:
        """As the cluster's metadata has it now; nobody anywhere while that cannot be had."""
        try:
            answer = self._admin.list_topics(self.name, timeout=_ONE_ANSWER_SECONDS)
        except KafkaException:  # it was a dead broker that was asked
            return _NOWHERE
        found = answer.topics[self.name].partitions.get(0)
        return Placement(found.leader, frozenset(found.isrs)) if found else _NOWHERE

    def await_placement(self, wanted: Callable[[Placement], bool]) -> Placement:
        """Ask until it is so: every time is a round trip, which is pause enough."""
        deadline = time.monotonic() + SECONDS
        while not wanted(now := self.placement()):
            assert time.monotonic() < deadline, now
        return now

    def append(self, value: bytes, *, seconds: float = SECONDS) -> int:
        """Offset of an acknowledged record. Raises ``KafkaException`` when it is refused, or not settled in time."""
        outcome: list[int | KafkaException | None] = []
        producer = Producer(self._client | {"acks": "all", "message.timeout.ms": int(seconds * 1000)})
        producer.produce(
            self.name,
            value,
            partition=0,
            on_delivery=lambda error, message: outcome.append(KafkaException(error) if error else message.offset()),
        )
        producer.flush(seconds + SECONDS)
        assert len(outcome) == 1
        if isinstance(outcome[0], KafkaException):
            raise outcome[0]
        assert outcome[0] is not None
        return outcome[0]

    def records(self) -> list[bytes | None]:
        """Everything that the leader has, oldest first."""
        consumer = Consumer(self._client | {"group.id": "observer", "enable.auto.commit": False})
        try:
            first, end = consumer.get_watermark_offsets(TopicPartition(self.name, 0), timeout=SECONDS)
            consumer.assign([TopicPartition(self.name, 0, first)])
            found: list[bytes | None] = []
            while len(found) < end - first:
                message = consumer.poll(SECONDS)
                assert message is not None, "the leader did not send what it has"
                if message.error() is None:
                    found.append(message.value())
            return found
        finally:
            consumer.close()

    def force_election(self) -> None:
        """Let a copy lead that may lack acknowledged records."""
        self._admin.elect_leaders(ElectionType.UNCLEAN, [TopicPartition(self.name, 0)]).result(SECONDS)

"""Signed checkpoints on ``callfold.heads``, where every node finds those of all."""

from __future__ import annotations

import threading

from kafka.errors import KafkaError

from domain.log.checkpoint import SignedCheckpoint, content, encode
from domain.log.envelope import CONTENT_TYPE
from domain.log.ports import LogUnavailable
from streams.kafka.clients import DELIVERY_MS, PATIENCE_MS, producer
from streams.kafka.location import KafkaLocation
from streams.kafka.renewal import RenewedProducer
from streams.kafka.scan import scanned
from streams.log.head_file import Placed

HEADS_PARTITION = 0
_KEY_SHOWN = 16


class HeadTopic:
    """``callfold.heads``: compacted, so the last checkpoint of each shard and key stays for ever. Thread-safe."""

    def __init__(self, location: KafkaLocation) -> None:
        self._location = location
        self._lock = threading.Lock()
        self._producer: RenewedProducer | None = None

    def publish(self, checkpoint: SignedCheckpoint) -> None:
        """Send and wait for all in-sync replicas. Raises ``LogUnavailable``."""
        sending = self._sending()
        key = f"{content(checkpoint).shard}/{checkpoint.public_key[:_KEY_SHOWN]}".encode()
        try:
            sending.send(
                self._location.topic("heads"),
                value=encode(checkpoint),
                key=key,
                headers=[("content-type", CONTENT_TYPE)],
                partition=HEADS_PARTITION,
            ).get(timeout=PATIENCE_MS / 1000)
        except KafkaError as problem:
            sending.renew()
            raise LogUnavailable(f"Kafka does not take a checkpoint: {problem}") from problem

    def read(self) -> list[Placed]:
        """Everything on the topic now. Raises ``LogUnavailable``."""
        topic = self._location.topic("heads")
        with scanned(self._location, "heads", HEADS_PARTITION) as records:
            return [(f"{topic} offset {record.offset}", record.value or b"") for record in records]

    def close(self) -> None:
        """Close the connection, if there was something to publish."""
        if self._producer is not None:
            self._producer.close()

    def _sending(self) -> RenewedProducer:
        with self._lock:
            if self._producer is None:
                self._producer = RenewedProducer(lambda: producer(self._location), patience_s=DELIVERY_MS / 1000)
            return self._producer

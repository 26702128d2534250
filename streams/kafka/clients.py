"""kafka-python's clients, set so that the log's rules hold: no setting of these is left to a default that may change.

The protocols below are the part of kafka-python that callfold uses; the library carries no types of its own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import kafka
from kafka import KafkaAdminClient
from kafka.partitioner.abc import Partitioner

from streams.kafka.connecting import REQUEST_MS, EndingProducer, common, reached
from streams.kafka.location import KafkaLocation
from streams.kafka.record_batches import CompiledConsumer
from streams.kafka.unfit import UnfitCluster

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""Largest record, headers included. Topics are made for it; a producer refuses a larger one before it is sent."""

MAX_POLL_RECORDS = 2000
"""Records per poll: more gains nothing in applying them."""

PATIENCE_MS = 10_000
"""How long to wait for what a cluster surely has, whichever of its brokers come and go meanwhile."""

DELIVERY_MS = 30_000
"""How long a producer re-sends before it reports that it does not know what became of a record."""

BATCH_BYTES = 16 * 1024

FETCH_WAIT_MS = 500
"""How long a broker holds a fetch open when there is nothing new; it answers at once when there is."""

_PACKAGES = ("crc32c", "zstandard")


class Sent(Protocol):
    """The future of a record on its way. Callbacks run on the producer's own thread: hand over, do no work."""

    @property
    def is_done(self) -> bool: ...

    def failed(self) -> bool:
        """Done, without an acknowledgement."""

    def get(self, timeout: float | None = None) -> Delivered:
        """Wait (seconds) for the acknowledgement. Raises ``kafka.errors.KafkaError``."""

    def add_callback(self, call: Callable[[Delivered], object]) -> Any: ...

    def add_errback(self, call: Callable[[Exception], object]) -> Any: ...


class Delivered(Protocol):
    """Where an acknowledged record stands. ``offset`` is -1 when the broker only knows that it has it already."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...


class Producer(Protocol):
    """``kafka.KafkaProducer``. Thread-safe."""

    def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
        partition: int | None = None,
    ) -> Sent: ...

    def flush(self, timeout: float | None = None) -> None: ...

    def close(self, timeout: float | None = None) -> None: ...


class Fetched(Protocol):
    """A record as the consumer gives it. Foreign writers may leave out keys, values and the values of headers.

    ``leader_epoch`` counts the partition's leaders; -1 where the broker does not tell.
    """

    @property
    def leader_epoch(self) -> int: ...

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Consumer(Protocol):
    """``kafka.KafkaConsumer``. For one thread only. Partitions are ``kafka.TopicPartition`` values."""

    def assign(self, partitions: Sequence[Any]) -> None: ...

    def seek(self, partition: Any, offset: int) -> None: ...

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> Mapping[Any, Sequence[Fetched]]: ...

    def position(self, partition: Any) -> int: ...

    def beginning_offsets(self, partitions: Sequence[Any], timeout_ms: int | None = None) -> Mapping[Any, int]:
        """Tried again, for a little longer than a request may take by default, while the partitions have no leader."""

    def partitions_for_topic(self, topic: str) -> set[int] | None: ...

    def end_offsets(self, partitions: Sequence[Any], timeout_ms: int | None = None) -> Mapping[Any, int]: ...

    def close(self) -> None: ...


class _ExplicitOnly(Partitioner):  # type: ignore[misc]  # kafka-python has no types
    """Placement is data: a client's hash must never decide where a record goes."""

    def partition(self, topic: str, *_: object, **__: object) -> int:
        raise ValueError(f"a record for {topic} names no partition; every record of callfold must")


def producer(
    location: KafkaLocation, *, linger_ms: int = 0, delivery_ms: int = DELIVERY_MS, batch_bytes: int = BATCH_BYTES
) -> Producer:
    """A producer whose acknowledgements mean: on every in-sync replica, once, in the order of sending.

    ``linger_ms`` is what a record may wait for others to share its request, and ``batch_bytes`` how much of a partition
    such a request holds before compression. A producer re-sends by itself for
    ``delivery_ms``; a record that then fails may still be on the log. Raises ``UnfitCluster``.
    """
    check_packages()
    made: Producer = reached(
        location,
        EndingProducer,
        **common(location),
        acks="all",
        enable_idempotence=True,
        max_in_flight_requests_per_connection=5,
        compression_type="zstd",
        linger_ms=linger_ms,
        batch_size=batch_bytes,
        request_timeout_ms=min(REQUEST_MS, delivery_ms - linger_ms),
        delivery_timeout_ms=delivery_ms,
        max_block_ms=min(PATIENCE_MS, delivery_ms),
        max_request_size=MAX_RECORD_BYTES,
        partitioner=_ExplicitOnly(),
        metrics_enabled=False,
    )
    return made


def consumer(location: KafkaLocation, *, fetch_wait_ms: int = FETCH_WAIT_MS) -> Consumer:
    """A consumer that never moves by itself: no group, no stored offsets, and an error where an offset is gone.

    Assign and seek before polling. It reads every record, whoever wrote it and whether or not in a transaction, so
    that all readers see the same. Raises ``UnfitCluster``.
    """
    check_packages()
    made: Consumer = reached(
        location,
        CompiledConsumer,
        **common(location),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_uncommitted",
        check_crcs=True,
        fetch_min_bytes=1,
        fetch_max_wait_ms=fetch_wait_ms,
        max_partition_fetch_bytes=MAX_RECORD_BYTES,
        max_poll_records=MAX_POLL_RECORDS,
        request_timeout_ms=REQUEST_MS + fetch_wait_ms,
        metrics_enabled=False,
    )
    return made


def admin(location: KafkaLocation) -> Any:
    """A ``kafka.KafkaAdminClient``; use it as a context manager. Raises ``UnfitCluster``."""
    options = common(location)
    del options["allow_auto_create_topics"]
    return reached(location, KafkaAdminClient, **options, request_timeout_ms=PATIENCE_MS)


def partition(location: KafkaLocation, topic: str, number: int) -> Any:
    """What kafka-python calls a ``TopicPartition``; ``topic`` without its prefix."""
    return kafka.TopicPartition(location.topic(topic), number)


def check_packages() -> None:
    """Refuse to work without the C codecs: kafka-python falls back to Python for one, and fails late for the other."""
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise UnfitCluster(
                f"package {package} is not installed, and without it the log on Kafka is "
                + ("nine times slower" if package == "crc32c" else "unreadable")
                + f"; install it with: pip install {package}"
            )

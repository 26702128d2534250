"""A shard of the log on Kafka on one node: its replica, who reads the partition into it, and who appends to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from domain.aggregate import Aggregate
from domain.log.codec import EventCodec
from domain.log.ports import Clock, IdSource
from streams.kafka.clients import producer
from streams.kafka.identity import LogIdentity
from streams.kafka.location import KafkaLocation
from streams.kafka.renewal import RenewedProducer
from streams.log.kafka.follower import Follower
from streams.log.kafka.replica import Replica
from streams.log.kafka.writer import ShardWriter
from streams.log.shard import Shard

DELIVERY_MS = 7_000
"""How long the producer itself re-sends. Short: the writer then sends the same bytes again, by new metadata."""

PATIENCE_SECONDS = 9.0
"""How long the producer may leave a record without an outcome before it is replaced: longer than its own time-out."""

LINGER_MS = 5
BATCH_BYTES = 512 * 1024
"""More than it takes to hand over a batch, in time and size: its records then share one request, wake the producer's
thread once, and stand together on the log. A larger one is split, and only slower."""


class LogShard(Shard):
    """Open with ``LogShard.open``; caught up with the log as it was then."""

    def __init__(
        self,
        replica: Replica,
        follower: Follower,
        writer: ShardWriter,
        *,
        clock: Clock,
        new_id: IdSource,
        jitter: Callable[[], float],
    ) -> None:
        super().__init__(
            replica.application,
            replica.states,
            writer,
            number=replica.shard,
            clock=clock,
            new_id=new_id,
            jitter=jitter,
        )
        self.replica = replica
        self.writer = writer
        self._follower = follower

    @classmethod
    def open(
        cls,
        location: KafkaLocation,
        path: Path,
        shard: int,
        identity: LogIdentity,
        *,
        aggregates: Mapping[str, Aggregate[Any, Any]],
        codec: EventCodec,
        clock: Clock,
        new_id: IdSource,
        jitter: Callable[[], float],
        fetch_wait_ms: int,
        settle_seconds: float,
    ) -> LogShard:
        """Open the replica, read what was written meanwhile, and begin to follow.

        Raises ``UnfitCluster``, ``Halted`` and ``LogUnavailable``.
        """
        with ExitStack() as undo:
            replica = Replica.open(
                path, shard, identity, topic=location.topic("log"), aggregates=aggregates, codec=codec
            )
            undo.callback(replica.close)
            follower = Follower(location, replica, fetch_wait_ms=fetch_wait_ms)
            undo.callback(follower.close)
            follower.catch_up()
            sending = RenewedProducer(
                lambda: producer(location, linger_ms=LINGER_MS, delivery_ms=DELIVERY_MS, batch_bytes=BATCH_BYTES),
                patience_s=PATIENCE_SECONDS,
            )
            writer = ShardWriter(location, replica, sending, settle_seconds=settle_seconds)
            undo.pop_all()
        follower.start()
        writer.start()
        return cls(replica, follower, writer, clock=clock, new_id=new_id, jitter=jitter)

    def close(self) -> None:
        """Settle what is pending, stop reading, close the file."""
        self.writer.close()
        self._follower.close()
        self.reader.close()
        self.replica.close()

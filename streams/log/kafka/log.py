"""The log on Kafka: append, read, follow, and documents kept in step, over the partitions of one topic."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from domain.aggregate import Aggregate
from domain.aggregates import AGGREGATES
from domain.log.codec import EventCodec
from domain.log.ports import Clock, IdSource, LogUnavailable
from domain.log.position import Position
from domain.registry import EVENT_TYPES, EventType
from streams.kafka.clients import FETCH_WAIT_MS, consumer, partition
from streams.kafka.identity import LogIdentity
from streams.kafka.location import KafkaLocation
from streams.log.kafka.applying import ReplicaTail
from streams.log.kafka.bootstrap import save_snapshot, start_from_snapshot
from streams.log.kafka.offsets import position_at
from streams.log.kafka.pruning import Prunable
from streams.log.kafka.replica_folder import locked, replica_path
from streams.log.kafka.sending import WriterCounters
from streams.log.kafka.shard import LogShard
from streams.log.kafka.writer import SETTLE_SECONDS
from streams.log.routing import FIRST
from streams.log.sharded import ShardedLog

NEWEST_SECONDS = 10.0
"""How long a look at the end of shard 0 may take before an unknown organisation's command is refused."""


class KafkaLog(ShardedLog[LogShard]):
    """A node of the log: its replicas, one process per folder. Thread-safe. Open with ``KafkaLog.open``."""

    def __init__(
        self,
        location: KafkaLocation,
        shards: Mapping[int, LogShard],
        aggregates: Mapping[str, Aggregate[Any, Any]],
        lock: IO[bytes],
    ) -> None:
        super().__init__(shards, aggregates, self._await_newest)
        self._location = location
        self._lock = lock
        self._closed = False

    @classmethod
    def open(
        cls,
        location: KafkaLocation,
        folder: Path,
        *,
        identity: LogIdentity,
        clock: Clock,
        new_id: IdSource,
        shards: int = 1,
        aggregates: Mapping[str, Aggregate[Any, Any]] = AGGREGATES,
        types: Mapping[str, EventType] = EVENT_TYPES,
        jitter: Callable[[], float] = random.random,
        fetch_wait_ms: int = FETCH_WAIT_MS,
        settle_seconds: float = SETTLE_SECONDS,
        snapshots: Path | None = None,
    ) -> KafkaLog:
        """Open this node's replicas in ``folder``, made when missing, and bring them up to the log as it is now.

        ``identity`` and ``shards`` are those of ``streams.kafka.topics.prepare``, which has checked the topics.
        ``settle_seconds`` is how long a commit may stay without a verdict; a missing replica starts as a copy of the
        newest one in ``snapshots``, where that is given and has one. Raises ``UnfitCluster``, ``Halted`` (the
        log no longer holds what a replica has) and ``LogUnavailable``.
        """
        codec = EventCodec(types)
        with ExitStack() as undo:
            lock = locked(folder)
            undo.callback(lock.close)
            opened: dict[int, LogShard] = {}
            for number in range(shards):
                if snapshots is not None:
                    start_from_snapshot(snapshots, number, replica_path(folder, number))
                opened[number] = LogShard.open(
                    location,
                    replica_path(folder, number),
                    number,
                    identity,
                    aggregates=aggregates,
                    codec=codec,
                    clock=clock,
                    new_id=new_id,
                    jitter=jitter,
                    fetch_wait_ms=fetch_wait_ms,
                    settle_seconds=settle_seconds,
                )
                undo.callback(opened[number].close)
            undo.pop_all()
        return cls(location, opened, aggregates, lock)

    @property
    def shards(self) -> Sequence[int]:
        """The shards' numbers."""
        return tuple(self._shards)

    @property
    def halted(self) -> str | None:
        """Why this node appends nothing more, and what to do; ``None`` while all is well."""
        reasons = [str(shard.replica.halted) for shard in self._shards.values() if shard.replica.halted is not None]
        return "; ".join(reasons) or None

    @property
    def trouble(self) -> str | None:
        """Why this node appends nothing now: for good (``halted``), or until its disk has room; else ``None``."""
        troubles = [shard.replica.trouble for shard in self._shards.values()]
        return self.halted or "; ".join(str(trouble) for trouble in troubles if trouble is not None) or None

    def counters(self) -> Mapping[int, WriterCounters]:
        """What each shard's writer has done."""
        return {number: shard.writer.counters for number, shard in self._shards.items()}

    def tail(self, shard: int = FIRST) -> ReplicaTail:
        """How far this node has applied a shard, and the chain there: equal on every node at the same offset."""
        return self._shard(shard).replica.tail

    def save_snapshots(self, folder: Path) -> Sequence[Path]:
        """Copy every replica into ``folder`` while work goes on. Blocking. Raises ``LogUnavailable``."""
        return [save_snapshot(shard.replica.path, number, folder) for number, shard in self._shards.items()]

    def prune(self, kind: str, status: str, before: datetime, archived: Position, limit: int = 100) -> int:
        """Give up the bodies of old documents that the archive holds; how many. See ``Prunable``."""
        wanted = Prunable(kind, status, before, archived.ordinal)
        return self._shard(archived.shard).replica.prune(wanted, limit)

    def position_at(self, shard: int, offset: int, timeout_s: float) -> Position | None:
        """What the records up to ``offset`` of a partition came to. See ``streams.log.kafka.offsets``."""
        return position_at(self._shard(shard).replica, offset, timeout_s)

    def close(self) -> None:
        """Settle what is pending, end every ``follow``, close the files."""
        if self._closed:
            return
        self._closed = True
        with ExitStack() as ending:
            ending.callback(self._lock.close)
            for shard in self._shards.values():
                ending.callback(shard.close)

    def _await_newest(self) -> None:
        """Wait until this node has seen what shard 0 holds now. Raises ``LogUnavailable``."""
        first = self._shards[FIRST].replica
        with closing(consumer(self._location)) as asking:
            place = partition(self._location, "log", FIRST)
            end = asking.end_offsets([place])[place]
        if end and not first.wait_past(end - 1, NEWEST_SECONDS):
            raise LogUnavailable(f"this node has not caught up with offset {end} of shard {FIRST}; try again")

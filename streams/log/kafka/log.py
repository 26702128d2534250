"""The log on Kafka: append, read, follow, and documents kept in step, over the partitions of one topic."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

from domain.aggregate import Aggregate
from domain.aggregates import AGGREGATES
from domain.event import Event
from domain.log.codec import EventCodec
from domain.log.commit import Commit
from domain.log.ports import Appended, Clock, Document, IdSource, LogUnavailable, Positioned, Step
from domain.log.position import Position
from domain.log.receipt import Receipt
from domain.registry import EVENT_TYPES, EventType
from streams.kafka.clients import FETCH_WAIT_MS, consumer, partition
from streams.kafka.identity import LogIdentity
from streams.kafka.location import KafkaLocation
from streams.log.documents import Bounds
from streams.log.kafka.applying import ReplicaTail
from streams.log.kafka.bootstrap import save_snapshot, start_from_snapshot
from streams.log.kafka.offsets import position_at
from streams.log.kafka.pruning import Prunable
from streams.log.kafka.replica_folder import locked, replica_path
from streams.log.kafka.routing import FIRST, Router
from streams.log.kafka.sending import WriterCounters
from streams.log.kafka.shard import LogShard
from streams.log.kafka.writer import SETTLE_SECONDS
from streams.log.state_codec import Folded
from streams.log.verification import Verification, verify

S = TypeVar("S")
C = TypeVar("C")

NEWEST_SECONDS = 10.0
"""How long a look at the end of shard 0 may take before an unknown organisation's command is refused."""


class KafkaLog:
    """Implements the ports ``Commands``, ``Documents`` and ``EventLog``. Thread-safe; one process per folder.

    Reading methods block for the time of an indexed SQLite read. Open with ``KafkaLog.open``.
    """

    def __init__(
        self,
        location: KafkaLocation,
        shards: Mapping[int, LogShard],
        codec: EventCodec,
        aggregates: Mapping[str, Aggregate[Any, Any]],
        lock: IO[bytes],
    ) -> None:
        self._location = location
        self._shards = dict(shards)
        self._codec = codec
        self._lock = lock
        self._router = Router(self._shards, aggregates, self._await_newest)
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
        return cls(location, opened, codec, aggregates, lock)

    @property
    def shards(self) -> Sequence[int]:
        """The shards' numbers."""
        return tuple(self._shards)

    @property
    def halted(self) -> str | None:
        """Why this node appends nothing more, and what to do; ``None`` while all is well."""
        reasons = [str(shard.replica.halted) for shard in self._shards.values() if shard.replica.halted is not None]
        return "; ".join(reasons) or None

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

    def close(self) -> None:
        """Settle what is pending, end every ``follow``, close the files."""
        if self._closed:
            return
        self._closed = True
        with ExitStack() as ending:
            ending.callback(self._lock.close)
            for shard in self._shards.values():
                ending.callback(shard.close)

    # Commands

    async def execute(
        self, aggregate: Aggregate[S, C], originator_id: str, command: C, *, commit_id: str | None = None
    ) -> tuple[S, Appended]:
        """Load, decide, append; again on a lost race. See ``LogCommands.execute``."""
        shard = await self._routed(lambda: self._router.of_command(aggregate, originator_id, command))
        return await shard.commands.execute(aggregate, originator_id, command, commit_id=commit_id)

    async def execute_together(
        self, steps: Sequence[Step], *, commit_id: str | None = None
    ) -> tuple[tuple[Any, ...], Appended]:
        """The same for several aggregates in one commit. See ``LogCommands.execute_together``.

        Raises ``ValueError`` for originators of several shards.
        """
        shard = await self._routed(lambda: self._router.of_steps(steps))
        return await shard.commands.execute_together(steps, commit_id=commit_id)

    async def record(
        self, originator_id: str, events: Sequence[Event], times: Sequence[datetime], *, commit_id: str | None = None
    ) -> Appended:
        """Append facts at whatever version is next. See ``LogCommands.record``."""
        if not events:
            raise ValueError(f"nothing to record for {originator_id}")
        shard = await self._routed(lambda: self._router.of_facts(originator_id, events))
        return await shard.commands.record(originator_id, events, times, commit_id=commit_id)

    def append(self, commit: Commit) -> Receipt:
        """Append a finished commit; blocks until its verdict is known. See ``LogCommands.append``.

        Raises ``ValueError`` for originators of several shards.
        """
        number = FIRST
        if len(self._shards) > 1:
            events = [
                self._codec.decode(topic, body, slot.originator_id, slot.version)
                for slot, topic, body in zip(commit.slots, commit.topics, commit.bodies, strict=True)
            ]
            number = self._router.of_commit(commit, events)
        return self._shards[number].commands.append(commit)

    def receipt(self, commit_id: str) -> Receipt | None:
        """The settled outcome of a commit, ``None`` when this node has not seen its id."""
        receipts = (shard.commands.receipt(commit_id) for shard in self._shards.values())
        return next((receipt for receipt in receipts if receipt is not None), None)

    # Documents

    def get(self, kind: str, originator_id: str, *, org_id: str | None = None) -> Document | None:
        """The live document, or ``None`` when missing, deleted, or another organisation's."""
        number = self._router.of_originator(originator_id)
        return None if number is None else self._shards[number].documents.get(kind, originator_id, org_id=org_id)

    def list(
        self,
        kind: str,
        *,
        org_id: str | None = None,
        limit: int = 100,
        reference: str | None = None,
        status: Sequence[str] = (),
        created: Bounds = (),
        updated: Bounds = (),
        offset: int = 0,
        oldest_first: bool = False,
    ) -> list[Document]:
        """Newest first unless ``oldest_first``. See ``DocumentReader.list``."""
        found = [
            shard.documents.list(
                kind,
                org_id=org_id,
                limit=limit + offset,
                reference=reference,
                status=status,
                created=created,
                updated=updated,
                oldest_first=oldest_first,
            )
            for shard in self._shards_of(kind, org_id)
        ]
        in_order = merge(*found, key=lambda document: (document.keys.created_at, document.id), reverse=not oldest_first)
        return [*islice(in_order, offset, offset + limit)]

    def count(
        self,
        kind: str,
        *,
        org_id: str | None = None,
        reference: str | None = None,
        status: Sequence[str] = (),
        created: Bounds = (),
        updated: Bounds = (),
    ) -> int:
        """How many there are. See ``DocumentReader.count``."""
        return sum(
            shard.documents.count(
                kind, org_id=org_id, reference=reference, status=status, created=created, updated=updated
            )
            for shard in self._shards_of(kind, org_id)
        )

    def find_key(self, key_hash: str) -> Document | None:
        """The organisation that owns a key with this hash."""
        found = (shard.documents.find_key(key_hash) for shard in self._shards.values())
        return next((document for document in found if document is not None), None)

    # EventLog

    def head(self, shard: int = FIRST) -> Position:
        """The position of the newest event this node has seen; ordinal 0 when there is none."""
        return self._shard(shard).reader.head()

    def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]:
        """At most ``limit`` events after a position, in order; of the given types only, where given."""
        return self._shard(after.shard).reader.read(after, limit, types)

    def history(self, originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
        """An originator's events in order of version."""
        number = self._router.of_originator(originator_id)
        return [] if number is None else self._shards[number].reader.history(originator_id, after_version=after_version)

    def follow(
        self, after: Position, types: frozenset[str] | None = None
    ) -> AsyncGenerator[Sequence[Positioned], None]:
        """Batches from ``after`` on in its shard, until the log is closed. See ``LogReader.follow``."""
        return self._shard(after.shard).reader.follow(after, types)

    async def wait_for(self, position: Position, timeout_s: float) -> bool:
        """Wait until this node has seen ``position``; ``False`` after ``timeout_s``. See ``LogReader.wait_for``."""
        return await self._shard(position.shard).reader.wait_for(position, timeout_s)

    def position_at(self, shard: int, offset: int, timeout_s: float) -> Position | None:
        """What the records up to ``offset`` of a partition came to. See ``streams.log.kafka.offsets``."""
        return position_at(self._shard(shard).replica, offset, timeout_s)

    def rebuilt(self, originator_id: str, *, version: int | None = None) -> Folded:
        """The aggregate folded from the log alone, newest or at a version. Raises ``AggregateNotFoundError``."""
        number = self._router.of_originator(originator_id)
        return self._shards[FIRST if number is None else number].replica.application.replayed(
            originator_id, version=version
        )

    def verify(self, shard: int = FIRST) -> Verification:
        """Judge and chain every record of a replica again; reports the first one that is not what was appended."""
        with self._shard(shard).replica.datastore.reading() as connection:
            return verify(connection)

    def _shard(self, number: int) -> LogShard:
        try:
            return self._shards[number]
        except KeyError:
            raise ValueError(f"the log has {len(self._shards)} shards; there is no shard {number}") from None

    def _shards_of(self, kind: str, org_id: str | None) -> Sequence[LogShard]:
        if kind == "organization":
            return (self._shards[FIRST],)
        placed = None if org_id is None else self._router.of_organization(org_id)
        return tuple(self._shards.values()) if placed is None else (self._shards[placed],)

    async def _routed(self, route: Callable[[], int]) -> LogShard:
        if len(self._shards) == 1:
            return self._shards[FIRST]
        return self._shards[await asyncio.to_thread(route)]

    def _await_newest(self) -> None:
        """Wait until this node has seen what shard 0 holds now. Raises ``LogUnavailable``."""
        first = self._shards[FIRST].replica
        with closing(consumer(self._location)) as asking:
            place = partition(self._location, "log", FIRST)
            end = asking.end_offsets([place])[place]
        if end and not first.wait_past(end - 1, NEWEST_SECONDS):
            raise LogUnavailable(f"this node has not caught up with offset {end} of shard {FIRST}; try again")

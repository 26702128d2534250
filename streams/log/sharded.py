"""The log's ports over its shards, whatever carries them: a question goes to the shard that holds what it is about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from domain.aggregate import Aggregate
from domain.event import Event
from domain.log.commit import Commit
from domain.log.ports import Appended, Document, Positioned, Step
from domain.log.position import Position
from domain.log.receipt import Receipt
from streams.log.documents import Bounds
from streams.log.routing import FIRST, Router
from streams.log.shard import Shard
from streams.log.state_codec import Folded
from streams.log.verification import Verification

S = TypeVar("S")
C = TypeVar("C")
OpenShard = TypeVar("OpenShard", bound=Shard)


class ShardedLog(Generic[OpenShard]):
    """Implements the ports ``Commands``, ``Documents`` and ``EventLog``. Thread-safe.

    Reading methods block for the time of an indexed SQLite read. A subclass opens and closes the shards.
    """

    def __init__(
        self,
        shards: Mapping[int, OpenShard],
        aggregates: Mapping[str, Aggregate[Any, Any]],
        await_newest: Callable[[], None],
    ) -> None:
        """``await_newest`` brings shard 0 up to what is on the log now; it is asked only where there are several."""
        self._shards = dict(shards)
        self._router = Router(self._shards, aggregates, await_newest)

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
        shard = await self._routed(lambda: self._router.of_facts(originator_id, events))
        return await shard.commands.record(originator_id, events, times, commit_id=commit_id)

    def append(self, commit: Commit) -> Receipt:
        """Append a finished commit; blocks until its verdict is known. See ``LogCommands.append``.

        Raises ``ValueError`` for originators of several shards.
        """
        number = FIRST
        if len(self._shards) > 1:
            decode = self._shards[FIRST].application.codec.decode
            events = [
                decode(topic, body, slot.originator_id, slot.version)
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

        def listed(shard: Shard, limit: int, offset: int) -> list[Document]:
            return shard.documents.list(
                kind,
                org_id=org_id,
                limit=limit,
                reference=reference,
                status=status,
                created=created,
                updated=updated,
                offset=offset,
                oldest_first=oldest_first,
            )

        shards = self._shards_of(kind, org_id)
        if len(shards) == 1:
            return listed(shards[0], limit, offset)
        in_order = merge(
            *(listed(shard, limit + offset, 0) for shard in shards),
            key=lambda document: (document.keys.created_at, document.id),
            reverse=not oldest_first,
        )
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

    @property
    def files(self) -> dict[int, Path]:
        """The file of each shard on this node, which other processes may open to read: ``reading.opened_shard``."""
        return {number: shard.application.datastore.path for number, shard in self._shards.items()}

    # Rebuilding and checking

    def rebuilt(self, originator_id: str, *, version: int | None = None) -> Folded:
        """The aggregate folded from the log alone, newest or at a version. Raises ``AggregateNotFoundError``."""
        number = self._router.of_originator(originator_id)
        return self._shards[FIRST if number is None else number].application.replayed(originator_id, version=version)

    def verify(self, shard: int = FIRST) -> Verification:
        """Judge and chain every record of a shard again; reports the first one that is not what was appended."""
        return self._shard(shard).verify()

    def _shard(self, number: int) -> OpenShard:
        try:
            return self._shards[number]
        except KeyError:
            raise ValueError(f"the log has {len(self._shards)} shards; there is no shard {number}") from None

    def _shards_of(self, kind: str, org_id: str | None) -> Sequence[OpenShard]:
        if kind == "organization":
            return (self._shards[FIRST],)
        placed = None if org_id is None else self._router.of_organization(org_id)
        return tuple(self._shards.values()) if placed is None else (self._shards[placed],)

    async def _routed(self, route: Callable[[], int]) -> OpenShard:
        if len(self._shards) == 1:
            return self._shards[FIRST]
        return self._shards[await asyncio.to_thread(route)]

"""The log in one SQLite file: append, read, follow, and documents kept in step. The default, and the only copy."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from domain.aggregate import Aggregate, Conflicting
from domain.aggregates import AGGREGATES
from domain.event import Event
from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot
from domain.log.ports import Appended, Clock, Document, IdSource, LogUnavailable, Positioned
from domain.log.position import Position
from domain.log.receipt import CommitIdReused, Receipt
from domain.registry import EVENT_TYPES, EventType
from streams.log.append import SHARD, settled
from streams.log.application import LogApplication
from streams.log.datastore import DATABASE_ERRORS, unavailable
from streams.log.documents import DocumentReader
from streams.log.fold import refold
from streams.log.mapper import Folded
from streams.log.state_cache import StateCache
from streams.log.states import States
from streams.log.tables import DOCUMENT_TABLES
from streams.log.verification import Verification, verify
from streams.log.writer import Fact, Outcome, Proposal, Writer

S = TypeVar("S")
C = TypeVar("C")

MAX_ATTEMPTS = 40
"""Races one command may lose before its client is asked to try again."""

FIRST_BACKOFF_SECONDS = 0.001
LONGEST_BACKOFF_SECONDS = 0.1

FOLLOW_BATCH = 500
"""Events per batch that ``follow`` yields at most."""

_EVENTS = "SELECT ordinal, originator_id, originator_version, topic, state FROM stored_events "


class EmbeddedLog:
    """Implements the ports ``Commands``, ``Documents`` and ``EventLog``. Thread-safe; several processes may open one.

    Reading methods block for the time of an indexed SQLite read. Open with ``EmbeddedLog.open``.
    """

    def __init__(
        self,
        application: LogApplication,
        states: States,
        *,
        clock: Clock,
        new_id: IdSource,
        jitter: Callable[[], float],
    ) -> None:
        self.application = application
        self._datastore = application.datastore
        self._codec = application.codec
        self._states = states
        self._documents = DocumentReader(self._datastore, states)
        self._writer = Writer(self._datastore, states)
        self._clock = clock
        self._new_id = new_id
        self._jitter = jitter
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        new_id: IdSource,
        aggregates: Mapping[str, Aggregate[Any, Any]] = AGGREGATES,
        types: Mapping[str, EventType] = EVENT_TYPES,
        jitter: Callable[[], float] = random.random,
    ) -> EmbeddedLog:
        """Open the log file, made when missing, and bring its documents up to the running code.

        ``jitter`` gives numbers in [0, 1) that spread retries. Raises ``LogUnavailable``.
        """
        codec = EventCodec(types)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            application = LogApplication(path, aggregates, codec)
            states = States(aggregates, codec, application.states, StateCache())
            with application.datastore.preparing(), application.datastore.transaction(commit=True) as cursor:
                for statement in DOCUMENT_TABLES:
                    cursor.execute(statement)
                refold(cursor.sqlite_cursor.connection, states)
        except OSError as problem:
            raise LogUnavailable(f"the log file {path} cannot be opened: {problem}") from problem
        except DATABASE_ERRORS as problem:
            raise unavailable(problem) from problem
        return cls(application, states, clock=clock, new_id=new_id, jitter=jitter)

    def close(self) -> None:
        """Append what is pending, end every ``follow``, close the file."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self.application.close()

    # Commands

    async def execute(
        self, aggregate: Aggregate[S, C], originator_id: str, command: C, *, commit_id: str | None = None
    ) -> tuple[S, Appended]:
        """Load, decide, append; again on a lost race, after a jittered pause.

        With ``commit_id`` a command that was already accepted is not decided again: its state and receipt are
        returned as they were. Raises ``Refused`` (``Conflicting`` after too many lost races), ``CommitIdReused`` and
        ``LogUnavailable``.
        """
        intent = commit_id or self._new_id()
        for attempt in range(MAX_ATTEMPTS):
            # A lost race makes its commit id void for good, so every further attempt has an id of its own.
            attempt_id = f"{intent}~{attempt}" if attempt else intent
            if commit_id is not None:
                earlier = self.receipt(attempt_id)
                if earlier is not None:
                    if not earlier.verdict.accepted:
                        continue
                    return self._accepted_before(earlier, originator_id)
            state, version = self._present(aggregate.kind, originator_id)
            events = aggregate.decide(state, command)
            if not events:
                if state is None:
                    raise ValueError(
                        f"{type(command).__name__} decided nothing for {originator_id}, which is not there"
                    )
                return state, Appended(self.head(), ())
            now = self._clock()
            outcome = await self._writer.submit(
                self._proposal(attempt_id, originator_id, events, [now] * len(events), after=version)
            )
            if outcome.receipt.verdict.accepted:
                return self._state_of(outcome, originator_id), self._appended(outcome)
            pause = min(FIRST_BACKOFF_SECONDS * 2**attempt, LONGEST_BACKOFF_SECONDS)
            await asyncio.sleep(pause * self._jitter())
        raise Conflicting(
            f"{aggregate.kind} {originator_id} changed {MAX_ATTEMPTS} times while this was decided.", fix="Try again."
        )

    async def record(
        self,
        originator_id: str,
        events: Sequence[Event],
        times: Sequence[datetime],
        *,
        commit_id: str | None = None,
    ) -> Appended:
        """Append facts at whatever version is next; facts recorded one after the other stand in that order.

        Raises ``CommitIdReused``, ``LogUnavailable``, and what the aggregate's fold refuses.
        """
        if not events:
            raise ValueError(f"nothing to record for {originator_id}")
        proposal = self._proposal(commit_id or self._new_id(), originator_id, events, times, after=None)
        return self._appended(await self._writer.submit(proposal))

    def append(self, commit: Commit) -> Receipt:
        """Append a finished commit and wait until its verdict is durable. Blocking; for threads, not event loops.

        A re-send gives the receipt of the first instance. Raises ``CommitIdReused``, ``LogUnavailable``, the codec's
        errors for a body that cannot be read, and what the aggregate's fold refuses.
        """
        read = [
            self._codec.decode(topic, body, slot.originator_id, slot.version)
            for slot, topic, body in zip(commit.slots, commit.topics, commit.bodies, strict=True)
        ]
        facts = tuple(Fact(recorded.id, recorded.time, recorded.event) for recorded in read)
        proposal = Proposal(commit.commit_id, "", commit.slots, commit.bodies, facts, commit.topics, commit.tracking)
        return self._writer.submit_blocking(proposal).receipt

    def receipt(self, commit_id: str) -> Receipt | None:
        """The settled outcome of a commit, ``None`` when the log has not seen its id."""
        with self._datastore.reading() as connection:
            found = settled(connection, commit_id)
        return found.receipt if found else None

    # Documents

    def get(self, kind: str, originator_id: str, *, org_id: str | None = None) -> Document | None:
        """The live document, or ``None`` when missing, deleted, or another organisation's."""
        return self._documents.get(kind, originator_id, org_id=org_id)

    def list(
        self,
        kind: str,
        *,
        org_id: str | None = None,
        limit: int = 100,
        reference: str | None = None,
        status: Sequence[str] = (),
        created: tuple[tuple[str, datetime], ...] = (),
        updated: tuple[tuple[str, datetime], ...] = (),
    ) -> list[Document]:
        """Newest first. ``created`` and ``updated`` hold bounds such as ``(("gt", t1), ("le", t2))``."""
        return self._documents.list(
            kind, org_id=org_id, limit=limit, reference=reference, status=status, created=created, updated=updated
        )

    def find_key(self, key_hash: str) -> Document | None:
        """The organisation that owns a key with this hash."""
        return self._documents.find_key(key_hash)

    # EventLog

    def head(self, shard: int = SHARD) -> Position:
        """The position of the newest event; ordinal 0 when there is none."""
        _only_shard(shard)
        ((newest,),) = self._datastore.rows("SELECT max(ordinal) FROM stored_events")
        return Position(SHARD, newest or 0)

    def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]:
        """At most ``limit`` events after a position, in order; of the given types only, where given."""
        _only_shard(after.shard)
        return self._read(after.ordinal, None, limit, types)

    def history(self, originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
        """An originator's events in order of version."""
        rows = self._datastore.rows(
            _EVENTS + "WHERE originator_id=? AND originator_version>? ORDER BY originator_version",
            (originator_id, after_version),
        )
        return self._positioned(rows)

    async def follow(
        self, after: Position, types: frozenset[str] | None = None
    ) -> AsyncGenerator[Sequence[Positioned], None]:
        """Batches from ``after`` on, until the log is closed. Wakes on commits, polls nothing in this process."""
        _only_shard(after.shard)
        loop, grown = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(grown.set)

        self._datastore.commits.attach(wake)
        try:
            reached = after.ordinal
            while not self._closed:
                grown.clear()
                try:
                    batch, reached = await asyncio.to_thread(self._next_batch, reached, types)
                except LogUnavailable:
                    if self._closed:
                        return
                    raise
                if batch:
                    yield batch
                else:
                    await grown.wait()
        finally:
            self._datastore.commits.detach(wake)

    # Rebuilding and checking

    def rebuilt(self, originator_id: str, *, version: int | None = None) -> Folded:
        """The aggregate folded from the log alone, newest or at a version. Raises ``AggregateNotFoundError``."""
        return self.application.replayed(originator_id, version=version)

    def verify(self) -> Verification:
        """Judge and chain every record again; reports the first one that is not what was appended."""
        with self._datastore.reading() as connection:
            return verify(connection)

    def _next_batch(self, reached: int, types: frozenset[str] | None) -> tuple[Sequence[Positioned], int]:
        """The next events and how far the log has been looked through."""
        head = self.head().ordinal
        batch = self._read(reached, head, FOLLOW_BATCH, types)
        return batch, batch[-1].position.ordinal if len(batch) == FOLLOW_BATCH else head

    def _read(self, after: int, until: int | None, limit: int, types: frozenset[str] | None) -> Sequence[Positioned]:
        condition, parameters = "WHERE ordinal>? ", list[Any]([after])
        if until is not None:
            condition += "AND ordinal<=? "
            parameters.append(until)
        if types is not None:
            condition += f"AND topic IN ({','.join('?' * len(types))}) "
            parameters.extend(sorted(types))
        return self._positioned(
            self._datastore.rows(_EVENTS + condition + "ORDER BY ordinal LIMIT ?", [*parameters, limit])
        )

    def _positioned(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[Positioned]:
        decode = self._codec.decode
        return [
            Positioned(Position(SHARD, ordinal), decode(topic, body, originator_id, version))
            for ordinal, originator_id, version, topic, body in rows
        ]

    def _present(self, kind: str, originator_id: str) -> tuple[Any | None, int]:
        document = self._documents.current(originator_id)
        if document is None:
            return None, 0
        if document.kind != kind:
            raise Conflicting(f"{originator_id} is of kind {document.kind}, not {kind}.")
        return document.state, document.version

    def _proposal(
        self,
        commit_id: str,
        originator_id: str,
        events: Sequence[Event],
        times: Sequence[datetime],
        *,
        after: int | None,
    ) -> Proposal:
        facts = tuple(
            Fact(f"{commit_id}.{index}", time, event)
            for index, (event, time) in enumerate(zip(events, times, strict=True))
        )
        slots = None if after is None else tuple(Slot(originator_id, after + 1 + i) for i in range(len(facts)))
        bodies = tuple(self._codec.encode(fact.event, id=fact.id, time=fact.time) for fact in facts)
        return Proposal(commit_id, originator_id, slots, bodies, facts, tuple(event.TYPE for event in events))

    def _appended(self, outcome: Outcome) -> Appended:
        return Appended(Position(SHARD, outcome.receipt.ordinals[-1]), outcome.events)

    def _state_of(self, outcome: Outcome, originator_id: str) -> Any:
        if originator_id in outcome.states:
            return outcome.states[originator_id]
        return self.application.folded(originator_id, version=outcome.events[-1].originator_version).state

    def _accepted_before(self, receipt: Receipt, originator_id: str) -> tuple[Any, Appended]:
        first, last = receipt.ordinals[0], receipt.ordinals[-1]
        events = tuple(positioned.recorded for positioned in self._read(first - 1, last, len(receipt.ordinals), None))
        if any(recorded.originator_id != originator_id for recorded in events):
            raise CommitIdReused(receipt.commit_id)
        state = self.application.folded(originator_id, version=events[-1].originator_version).state
        return state, Appended(Position(SHARD, last), events)


def _only_shard(shard: int) -> None:
    if shard != SHARD:
        raise ValueError(f"the embedded log is shard {SHARD}; there is no shard {shard}")

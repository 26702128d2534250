"""Load, decide, append, and retry: how commands and facts become commits on one shard of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from domain.aggregate import Aggregate, Conflicting
from domain.event import Event
from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot, attempt_id
from domain.log.ports import Appended, Clock, IdSource
from domain.log.position import Position
from domain.log.receipt import CommitIdReused, Receipt
from streams.log.append import EMBEDDED_SHARD, settled
from streams.log.application import LogApplication
from streams.log.documents import DocumentReader
from streams.log.proposals import Fact, Outcome, Proposal, ProposalQueue
from streams.log.reader import LogReader

S = TypeVar("S")
C = TypeVar("C")

MAX_ATTEMPTS = 40
"""Races one command may lose before its client is asked to try again."""

FIRST_BACKOFF_SECONDS = 0.001
LONGEST_BACKOFF_SECONDS = 0.1


class LogCommands:
    """Implements ``Commands`` for one node: decides on the caller's thread or loop, appends through the writer."""

    def __init__(
        self,
        application: LogApplication,
        documents: DocumentReader,
        reader: LogReader,
        writer: ProposalQueue,
        *,
        shard: int = EMBEDDED_SHARD,
        clock: Clock,
        new_id: IdSource,
        jitter: Callable[[], float],
    ) -> None:
        self._application = application
        self._codec: EventCodec = application.codec
        self._documents = documents
        self._reader = reader
        self._writer = writer
        self._shard = shard
        self._clock = clock
        self._new_id = new_id
        self._jitter = jitter

    async def execute(
        self, aggregate: Aggregate[S, C], originator_id: str, command: C, *, commit_id: str | None = None
    ) -> tuple[S, Appended]:
        """Load, decide, append; again on a lost race, after a jittered pause.

        With ``commit_id`` a command that was already accepted is not decided again: its state and receipt are
        returned as they were. Raises ``Refused`` (``Conflicting`` after too many lost races), ``CommitIdReused`` and
        ``LogUnavailable``.
        """
        intent, number = commit_id or self._new_id(), 0
        for attempt in range(MAX_ATTEMPTS):
            sent_as = attempt_id(intent, number)
            earlier = None if commit_id is None else await self._earlier(sent_as)
            if earlier is not None and earlier.verdict.accepted:
                return self._accepted_before(earlier, originator_id)
            if earlier is not None:
                # A lost race makes its commit id void for good, so the next attempt has an id of its own.
                number += 1
                continue
            state, version = self._present(aggregate.kind, originator_id)
            events = aggregate.decide(state, command)
            if not events:
                if state is None:
                    raise ValueError(
                        f"{type(command).__name__} decided nothing for {originator_id}, which is not there"
                    )
                return state, Appended(self._reader.head(), ())
            now = self._clock()
            proposal = self._proposal(sent_as, originator_id, events, [now] * len(events), after=version)
            try:
                outcome = await self._writer.submit(proposal)
            except CommitIdReused:
                # The same intent, sent twice at once: the other one came first, at a slightly different time.
                if commit_id is None or self.receipt(sent_as) is None:
                    raise
                continue
            if outcome.receipt.verdict.accepted:
                return self._state_of(outcome, originator_id), self._appended(outcome)
            number += outcome.on_log
            pause = min(FIRST_BACKOFF_SECONDS * 2**attempt, LONGEST_BACKOFF_SECONDS)
            await asyncio.sleep(pause * self._jitter())
        raise Conflicting(
            f"{aggregate.kind} {originator_id} changed {MAX_ATTEMPTS} times while this was decided.", fix="Try again."
        )

    async def record(
        self, originator_id: str, events: Sequence[Event], times: Sequence[datetime], *, commit_id: str | None = None
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
        proposal = Proposal(
            commit.commit_id, "", commit.slots, commit.bodies, facts, commit.topics, commit.tracking, True
        )
        return self._writer.submit_blocking(proposal).receipt

    def receipt(self, commit_id: str) -> Receipt | None:
        """The settled outcome of a commit, ``None`` when the log has not seen its id."""
        with self._application.datastore.reading() as connection:
            found = settled(connection, commit_id, self._shard)
        return found.receipt if found else None

    async def _earlier(self, commit_id: str) -> Receipt | None:
        """What became of this commit id, also where an earlier attempt was left without its outcome."""
        receipt = self.receipt(commit_id)
        if receipt is not None:
            return receipt
        outcome = await self._writer.resend(commit_id)
        return None if outcome is None else outcome.receipt

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
        slots = None if after is None else tuple(Slot(originator_id, after + 1 + index) for index in range(len(facts)))
        bodies = tuple(self._codec.encode(fact.event, id=fact.id, time=fact.time) for fact in facts)
        return Proposal(commit_id, originator_id, slots, bodies, facts, tuple(event.TYPE for event in events))

    def _state_of(self, outcome: Outcome, originator_id: str) -> Any:
        if originator_id in outcome.states:
            return outcome.states[originator_id]
        return self._application.folded(originator_id, version=outcome.events[-1].originator_version).state

    def _accepted_before(self, receipt: Receipt, originator_id: str) -> tuple[Any, Appended]:
        events = tuple(positioned.recorded for positioned in self._reader.between(receipt.ordinals))
        if any(recorded.originator_id != originator_id for recorded in events):
            raise CommitIdReused(receipt.commit_id)
        state = self._application.folded(originator_id, version=events[-1].originator_version).state
        return state, Appended(Position(self._shard, receipt.ordinals[-1]), events)

    def _appended(self, outcome: Outcome) -> Appended:
        return Appended(Position(self._shard, outcome.receipt.ordinals[-1]), outcome.events)

"""Load, decide, append, and retry: how commands and facts become commits on one shard of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from domain.aggregate import Aggregate, Conflicting
from domain.event import Event
from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot, attempt_id
from domain.log.ports import Appended, Clock, IdSource, Step
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


class _Decision(msgspec.Struct, frozen=True):
    """What a step leads to from the state and the version that were found."""

    originator_id: str
    before: Any
    version: int
    events: Sequence[Event]


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
        """As ``execute_together``, for one aggregate."""
        (state,), appended = await self.execute_together(
            (Step(aggregate, originator_id, command),), commit_id=commit_id
        )
        return state, appended

    async def execute_together(
        self, steps: Sequence[Step], *, commit_id: str | None = None
    ) -> tuple[tuple[Any, ...], Appended]:
        """Load, decide, append; again on a lost race, after a jittered pause.

        With ``commit_id`` a decision that was already accepted is not made again: its states and receipt are
        returned as they were. Raises ``Refused`` (``Conflicting`` after too many lost races), ``CommitIdReused`` and
        ``LogUnavailable``.
        """
        if len({step.originator_id for step in steps}) != len(steps):
            raise ValueError("each step of a decision needs another originator")
        intent, number = commit_id or self._new_id(), 0
        for attempt in range(MAX_ATTEMPTS):
            sent_as = attempt_id(intent, number)
            earlier = None if commit_id is None else await self._earlier(sent_as)
            if earlier is not None and earlier.verdict.accepted:
                return self._accepted_before(earlier, steps)
            if earlier is not None:
                # A lost race makes its commit id void for good, so the next attempt has an id of its own.
                number += 1
                continue
            decided = [self._decided(step) for step in steps]
            if not any(decision.events for decision in decided):
                return tuple(decision.before for decision in decided), Appended(self._reader.head(), ())
            try:
                outcome = await self._writer.submit(self._proposed(sent_as, decided))
            except CommitIdReused:
                # The same intent, sent twice at once: the other one came first, at a slightly different time.
                if commit_id is None or self.receipt(sent_as) is None:
                    raise
                continue
            if outcome.receipt.verdict.accepted:
                return self._states_of(outcome, decided), self._appended(outcome)
            number += outcome.on_log
            pause = min(FIRST_BACKOFF_SECONDS * 2**attempt, LONGEST_BACKOFF_SECONDS)
            await asyncio.sleep(pause * self._jitter())
        raced = ", ".join(f"{step.aggregate.kind} {step.originator_id}" for step in steps)
        raise Conflicting(f"{raced} changed {MAX_ATTEMPTS} times while this was decided.", fix="Try again.")

    async def record(
        self, originator_id: str, events: Sequence[Event], times: Sequence[datetime], *, commit_id: str | None = None
    ) -> Appended:
        """Append facts at whatever version is next; facts recorded one after the other stand in that order.

        Raises ``CommitIdReused``, ``LogUnavailable``, and what the aggregate's fold refuses.
        """
        if not events:
            raise ValueError(f"nothing to record for {originator_id}")
        proposal = self._proposal(commit_id or self._new_id(), originator_id, events, times, slots=None)
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

    def _decided(self, step: Step) -> _Decision:
        state, version = self._present(step.aggregate.kind, step.originator_id)
        events = step.aggregate.decide(state, step.command)
        if not events and state is None:
            raise ValueError(
                f"{type(step.command).__name__} decided nothing for {step.originator_id}, which is not there"
            )
        return _Decision(step.originator_id, state, version, events)

    def _present(self, kind: str, originator_id: str) -> tuple[Any | None, int]:
        document = self._documents.current(originator_id)
        if document is None:
            return None, 0
        if document.kind != kind:
            raise Conflicting(f"{originator_id} is of kind {document.kind}, not {kind}.")
        return document.state, document.version

    def _proposed(self, commit_id: str, decided: Sequence[_Decision]) -> Proposal:
        now = self._clock()
        claimed = [
            (Slot(decision.originator_id, decision.version + number), event)
            for decision in decided
            for number, event in enumerate(decision.events, start=1)
        ]
        slots, events = tuple(slot for slot, _ in claimed), [event for _, event in claimed]
        return self._proposal(commit_id, decided[0].originator_id, events, [now] * len(events), slots=slots)

    def _proposal(
        self,
        commit_id: str,
        originator_id: str,
        events: Sequence[Event],
        times: Sequence[datetime],
        *,
        slots: tuple[Slot, ...] | None,
    ) -> Proposal:
        facts = tuple(
            Fact(f"{commit_id}.{index}", time, event)
            for index, (event, time) in enumerate(zip(events, times, strict=True))
        )
        bodies = tuple(self._codec.encode(fact.event, id=fact.id, time=fact.time) for fact in facts)
        return Proposal(commit_id, originator_id, slots, bodies, facts, tuple(event.TYPE for event in events))

    def _states_of(self, outcome: Outcome, decided: Sequence[_Decision]) -> tuple[Any, ...]:
        """The states after the outcome; where it holds none, because others came in between, as the log gives them."""
        states: list[Any] = []
        for decision in decided:
            if not decision.events:
                states.append(decision.before)
            elif decision.originator_id in outcome.states:
                states.append(outcome.states[decision.originator_id])
            else:
                reached = decision.version + len(decision.events)
                states.append(self._application.folded(decision.originator_id, version=reached).state)
        return tuple(states)

    def _accepted_before(self, receipt: Receipt, steps: Sequence[Step]) -> tuple[tuple[Any, ...], Appended]:
        events = tuple(positioned.recorded for positioned in self._reader.between(receipt.ordinals))
        reached = {recorded.originator_id: recorded.originator_version for recorded in events}
        if not reached.keys() <= {step.originator_id for step in steps}:
            raise CommitIdReused(receipt.commit_id)
        states = [
            self._application.folded(step.originator_id, version=reached[step.originator_id]).state
            if step.originator_id in reached
            else self._present(step.aggregate.kind, step.originator_id)[0]
            for step in steps
        ]
        return tuple(states), Appended(Position(self._shard, receipt.ordinals[-1]), events)

    def _appended(self, outcome: Outcome) -> Appended:
        return Appended(Position(self._shard, outcome.receipt.ordinals[-1]), outcome.events)

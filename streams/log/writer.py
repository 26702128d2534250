"""The one thread that appends: everything pending goes into one transaction, and one flush to disk serves it all."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from domain.event import Event, Recorded
from domain.log.arbitration import UnknownEnvelopeVersion
from domain.log.commit import Commit, Slot
from domain.log.ports import LogUnavailable
from domain.log.receipt import CommitIdReused, Receipt
from streams.log.append import AppendTransaction
from streams.log.checkpointer import Checkpointer
from streams.log.datastore import DATABASE_ERRORS, LogDatastore, unavailable
from streams.log.fold import Fold, refold
from streams.log.states import States

MAX_PENDING = 10_000
"""Commits that may wait. A healthy disk never lets more than a few hundred wait; beyond this, refuse at once."""

MAX_BATCH = 512
"""Commits per transaction, so that other processes sharing the file get their turn."""


class Fact(msgspec.Struct, frozen=True):
    """An event with the id and time its body carries."""

    id: str
    time: datetime
    event: Event


class Proposal(msgspec.Struct, frozen=True):
    """A commit to be. Without ``slots`` all its events go to ``originator_id``, at whatever version is next."""

    commit_id: str
    originator_id: str
    slots: tuple[Slot, ...] | None
    bodies: tuple[bytes, ...]
    facts: tuple[Fact, ...]
    topics: tuple[str, ...]
    tracking: tuple[str, int] | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What became of a proposal: its receipt, its events in place, and its originators' states after it.

    ``states`` is empty for a void commit and for a re-send.
    """

    receipt: Receipt
    events: tuple[Recorded, ...]
    states: dict[str, Any]


class _Pending(msgspec.Struct):
    proposal: Proposal
    settle: Callable[[Outcome | Exception], None]
    loop: asyncio.AbstractEventLoop | None


class Writer:
    """Accepts proposals from any thread or event loop and settles each one once it is durable."""

    def __init__(self, datastore: LogDatastore, states: States) -> None:
        self._datastore = datastore
        self._states = states
        self._checkpointer = Checkpointer(datastore)
        self._pending: deque[_Pending] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._halted: UnknownEnvelopeVersion | None = None
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    async def submit(self, proposal: Proposal) -> Outcome:
        """Append and wait, from an event loop. Raises ``LogUnavailable`` and what ``Fold.stage`` refuses."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome | Exception) -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self._enqueue(_Pending(proposal, settle, loop))
        return await future

    def submit_blocking(self, proposal: Proposal) -> Outcome:
        """The same for a plain thread."""
        future: Future[Outcome] = Future()

        def settle(outcome: Outcome | Exception) -> None:
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self._enqueue(_Pending(proposal, settle, None))
        return future.result()

    def close(self) -> None:
        """Append what is pending, then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._checkpointer.close()

    def _enqueue(self, pending: _Pending) -> None:
        with self._changed:
            if self._closing:
                raise LogUnavailable("the log is closed")
            if self._halted is not None:
                raise LogUnavailable(f"the log is halted: {self._halted}") from self._halted
            if len(self._pending) >= MAX_PENDING:
                raise LogUnavailable(f"{MAX_PENDING} commits are waiting for the disk; try again later")
            self._pending.append(pending)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._pending:
                    if self._closing:
                        return
                    self._changed.wait()
                batch = [self._pending.popleft() for _ in range(min(len(self._pending), MAX_BATCH))]
            self._settle(batch, self._commit([pending.proposal for pending in batch]))

    def _commit(self, proposals: Sequence[Proposal]) -> Sequence[Outcome | Exception]:
        """Append a batch in one transaction; every proposal has its own outcome."""
        try:
            with self._datastore.transaction(commit=True) as cursor:
                connection = cursor.sqlite_cursor.connection
                append, fold = AppendTransaction(connection), Fold(connection, self._states)
                refold(connection, self._states, append.head)
                outcomes = [_attempt(append, fold, proposal) for proposal in proposals]
                append.write()
                fold.write(append.head)
        except UnknownEnvelopeVersion as newer:
            self._halted = newer
            return [LogUnavailable(f"the log is halted: {newer}") for _ in proposals]
        except DATABASE_ERRORS as problem:
            return [unavailable(problem) for _ in proposals]
        except Exception as defect:
            # Nothing was appended. Alone, the proposal that meets a defect fails and the others do not.
            if len(proposals) == 1:
                return [defect]
            return [self._commit([proposal])[0] for proposal in proposals]
        fold.publish()
        self._datastore.commits.fire()
        self._checkpointer.nudge()
        return outcomes

    def _settle(self, batch: Sequence[_Pending], outcomes: Sequence[Outcome | Exception]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Pending, Outcome | Exception]]] = defaultdict(list)
        for pending, outcome in zip(batch, outcomes, strict=True):
            if pending.loop is None:
                pending.settle(outcome)
            else:
                by_loop[pending.loop].append((pending, outcome))
        for loop, settled in by_loop.items():
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle_all, settled)


def _settle_all(settled: Sequence[tuple[_Pending, Outcome | Exception]]) -> None:
    for pending, outcome in settled:
        pending.settle(outcome)


def _attempt(append: AppendTransaction, fold: Fold, proposal: Proposal) -> Outcome | Exception:
    """Append one proposal to the open transaction; its own faults spare the rest of the batch."""
    try:
        return _append(append, fold, proposal)
    except (UnknownEnvelopeVersion, sqlite3.Error):
        raise
    except Exception as refusal:
        return refusal


def _append(append: AppendTransaction, fold: Fold, proposal: Proposal) -> Outcome:
    known = append.known(proposal.commit_id)
    slots = proposal.slots
    if slots is None:
        if known is not None:
            slots = known.slots
            if len(slots) != len(proposal.bodies):
                raise CommitIdReused(proposal.commit_id)
        else:
            first = append.next_version(proposal.originator_id)
            slots = tuple(Slot(proposal.originator_id, first + index) for index in range(len(proposal.bodies)))
    commit = Commit(
        commit_id=proposal.commit_id,
        slots=slots,
        topics=proposal.topics,
        bodies=proposal.bodies,
        tracking=proposal.tracking,
    )
    if known is not None or not append.preview(commit).accepted:
        receipt = append.append(commit)
        return Outcome(receipt, _recorded(slots, proposal.facts) if receipt.verdict.accepted else (), {})
    recorded = _recorded(slots, proposal.facts)
    staged = fold.stage(recorded)
    receipt = append.append(commit)
    fold.keep(staged)
    return Outcome(receipt, recorded, {originator_id: stage.state for originator_id, stage in staged.items()})


def _recorded(slots: Sequence[Slot], facts: Sequence[Fact]) -> tuple[Recorded, ...]:
    return tuple(
        Recorded(slot.originator_id, slot.version, fact.id, fact.time, fact.event)
        for slot, fact in zip(slots, facts, strict=True)
    )

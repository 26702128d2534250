"""What waits to be appended, and how its outcome gets back to whoever asked, on a thread or on an event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from domain.event import Event, Recorded
from domain.log.commit import Slot, attempt_id
from domain.log.ports import LogUnavailable
from domain.log.receipt import Receipt

MAX_PENDING = 10_000
"""Commits that may wait. A healthy log never lets more than a few hundred wait; beyond this, refuse at once."""

MAX_BATCH = 512
"""Commits per batch, so that other processes sharing the log get their turn."""


class Fact(msgspec.Struct, frozen=True):
    """An event with the id and time its body carries."""

    id: str
    time: datetime
    event: Event


class Proposal(msgspec.Struct, frozen=True):
    """A commit to be. Without ``slots`` all its events go to ``originator_id``, at whatever version is next.

    ``facts`` is empty where nothing folds the events. A commit that ``settles_on_log`` gets its verdict from the log
    even where this node can see that it will be void, so that the verdict stands for every later re-send.
    """

    commit_id: str
    originator_id: str
    slots: tuple[Slot, ...] | None
    bodies: tuple[bytes, ...]
    facts: tuple[Fact, ...]
    topics: tuple[str, ...]
    tracking: tuple[str, int] | None = None
    settles_on_log: bool = False
    attempt: int = 0

    @property
    def sent_as(self) -> str:
        """The commit id of this attempt: races that a proposal without slots has lost made earlier ids void."""
        return attempt_id(self.commit_id, self.attempt)


class Outcome(msgspec.Struct, frozen=True):
    """What became of a proposal: its receipt, its events in place, and its originators' states after it.

    ``states`` is empty for a void commit, for a re-send, and where other nodes' commits came in between. A void
    commit that is not ``on_log`` was never sent: its id is still free.
    """

    receipt: Receipt
    events: tuple[Recorded, ...]
    states: dict[str, Any]
    on_log: bool = True


class Pending(msgspec.Struct):
    """A proposal and the way back to whoever made it."""

    proposal: Proposal
    settle: Callable[[Outcome | Exception], None]
    loop: asyncio.AbstractEventLoop | None


class ProposalQueue(ABC):
    """Accepts proposals from any thread or event loop; one thread hands them on in batches, in order.

    A subclass appends a batch in ``_commit``, and calls ``start`` when it is ready to.
    """

    def __init__(self, thread_name: str) -> None:
        self._pending: deque[Pending] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._closing_since = 0.0
        self._thread = threading.Thread(target=self._run, name=thread_name, daemon=True)

    @abstractmethod
    def _commit(self, batch: Sequence[Proposal]) -> Sequence[Outcome | Exception | Proposal]:
        """Append a batch; every proposal has its own outcome. A proposal in place of one is to be tried again, next."""

    def _refusal(self) -> LogUnavailable | None:
        """Why nothing can be appended at all, if so."""
        return None

    def start(self) -> None:
        """Begin to append."""
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

        self._enqueue(Pending(proposal, settle, loop))
        return await future

    def submit_blocking(self, proposal: Proposal) -> Outcome:
        """The same for a plain thread."""
        future: Future[Outcome] = Future()

        def settle(outcome: Outcome | Exception) -> None:
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self._enqueue(Pending(proposal, settle, None))
        return future.result()

    async def resend(self, commit_id: str) -> Outcome | None:
        """Send a commit again whose outcome this node was left without; ``None`` where there is no such commit."""
        return None

    def close(self) -> None:
        """Append what is pending, then stop."""
        with self._changed:
            self._closing = True
            self._closing_since = time.monotonic()
            self._changed.notify()
        self._thread.join()

    def _enqueue(self, pending: Pending) -> None:
        with self._changed:
            if self._closing:
                raise LogUnavailable("the log is closed")
            refusal = self._refusal()
            if refusal is not None:
                raise refusal
            if len(self._pending) >= MAX_PENDING:
                raise LogUnavailable(f"{MAX_PENDING} commits are waiting for the log; try again later")
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

    def _settle(self, batch: Sequence[Pending], outcomes: Sequence[Outcome | Exception | Proposal]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Pending, Outcome | Exception]]] = defaultdict(list)
        again: list[Pending] = []
        for pending, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Proposal):
                pending.proposal = outcome
                again.append(pending)
            elif pending.loop is None:
                pending.settle(outcome)
            else:
                by_loop[pending.loop].append((pending, outcome))
        if again:
            with self._changed:
                self._pending.extendleft(reversed(again))
        for loop, settled in by_loop.items():
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle_all, settled)


def _settle_all(settled: Sequence[tuple[Pending, Outcome | Exception]]) -> None:
    for pending, outcome in settled:
        pending.settle(outcome)


def recorded(slots: Sequence[Slot], facts: Sequence[Fact]) -> tuple[Recorded, ...]:
    """Facts in the places they claim."""
    return tuple(
        Recorded(slot.originator_id, slot.version, fact.id, fact.time, fact.event)
        for slot, fact in zip(slots, facts, strict=True)
    )

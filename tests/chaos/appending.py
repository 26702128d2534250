"""A process that appends to a log as clients do, well and badly, and writes down what it was told.

Beside honest commits it sends duplicates of what was acknowledged, commits of zombies (decided on a state that has
passed), commits over several originators, and facts whose version the log chooses.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Protocol

import msgspec

from domain.event import Event
from domain.log.commit import Commit, Slot
from domain.log.ports import LogUnavailable, OutcomeUnknown
from domain.log.position import Position
from tests.chaos.crash_points import Death, die_at
from tests.chaos.history import Claimed, Ended, Held, HistoryFile, Invoked
from tests.contracts.log_contract import CODEC, START, Node
from tests.contracts.tally import TALLY_TYPES, Added, Opened

DUPLICATES = 0.05
ZOMBIES = 0.05
FACTS = 0.3
SEVERAL = 0.2

RESENDS = 200
"""How often one commit of unknown outcome is sent again before it is left unknown."""

_PAGE = 2_000
_TYPES = frozenset(TALLY_TYPES)


class NodeAddress(Protocol):
    """How a process of its own opens a node. Must be picklable."""

    def open(self) -> Node: ...


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Who works (``name`` is in every commit id), on which originators (id and organisation), with which dice.

    ``death`` is where the process kills itself, if it does.
    """

    name: str
    originators: tuple[tuple[str, str], ...]
    seed: int
    history: Path
    death: Death | None = None


def append_until_stopped(
    address: NodeAddress, work: Work, parent: Connection, done: Semaphore, unsure: Semaphore
) -> None:
    """The process: says "ready", appends until it is told anything, says how many operations there were.

    ``done`` is released after each of them, ``unsure`` whenever an outcome was unknown.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # what goes wrong is the point here
    history = HistoryFile(work.history)
    if work.death is not None:
        die_at(work.death)
    with closing(history), closing(address.open()) as node:
        parent.send("ready")
        client = _Client(node, work, history, parent.poll, unsure)
        operations = 0
        while not parent.poll():
            client.operate(operations)
            operations += 1
            done.release()
        parent.send(operations)


class _Client:
    def __init__(
        self, node: Node, work: Work, history: HistoryFile, stopped: Callable[[], bool], unsure: Semaphore
    ) -> None:
        self._node = node
        self._work = work
        self._history = history
        self._stopped = stopped
        self._unsure = unsure
        self._dice = random.Random(f"{work.name}/{work.seed}")

    def operate(self, number: int) -> None:
        commit_id = f"{self._work.name}-{number}"
        chosen = self._choose()
        if self._dice.random() < FACTS and self._version(chosen[0][0]) > 0:
            self._record(commit_id, chosen[0][0])
            return
        zombie = self._dice.random() < ZOMBIES
        claims = tuple(self._claim(commit_id, originator_id, zombie=zombie) for originator_id, _ in chosen)
        commit = _commit(commit_id, claims, dict(chosen))
        self._history.write(Invoked(commit_id, claims))
        settled = self._settle(commit_id, lambda: self._append(commit, claims))
        if settled and self._dice.random() < DUPLICATES:
            self._settle(commit_id, lambda: self._append(commit, claims))

    def _choose(self) -> list[tuple[str, str]]:
        """One originator, now and then two or three of one organisation."""
        first = self._dice.choice(self._work.originators)
        if self._dice.random() >= SEVERAL:
            return [first]
        neighbours = [other for other in self._work.originators if other[1] == first[1] and other != first]
        return [first, *self._dice.sample(neighbours, k=min(len(neighbours), self._dice.randint(1, 2)))]

    def _version(self, originator_id: str) -> int:
        document = self._node.get("tally", originator_id)
        return document.version if document else 0

    def _claim(self, commit_id: str, originator_id: str, *, zombie: bool) -> Claimed:
        version = self._version(originator_id)
        stale = self._dice.randint(0, 3) if zombie else 0
        return Claimed(originator_id, max(1, version + 1 - stale), f"{commit_id}/{originator_id}")

    def _append(self, commit: Commit, claims: tuple[Claimed, ...]) -> Ended:
        receipt = self._node.append(commit)
        if receipt.verdict.accepted:
            return Ended(commit.commit_id, "ok", claims)
        return Ended(commit.commit_id, "fail", detail=receipt.verdict.reason)

    def _record(self, commit_id: str, originator_id: str) -> None:
        fact = Added(amount=1, note=f"{commit_id}/{originator_id}")
        self._history.write(Invoked(commit_id))

        def append() -> Ended:
            appended = asyncio.run(self._node.record(originator_id, [fact], [START], commit_id=commit_id))
            events = tuple(
                Claimed(recorded.originator_id, recorded.originator_version, fact.note) for recorded in appended.events
            )
            return Ended(commit_id, "ok", events)

        self._settle(commit_id, append)

    def _settle(self, commit_id: str, append: Callable[[], Ended]) -> bool:
        """Send until the outcome is known, the process is to stop, or patience ends. True: acknowledged."""
        for _ in range(RESENDS):
            try:
                ended = append()
            except OutcomeUnknown as unknown:
                self._history.write(Ended(commit_id, "unknown", detail=str(unknown), at_s=time.monotonic()))
                self._unsure.release()
                if self._stopped():
                    return False
                continue
            except LogUnavailable as refusal:
                ended = Ended(commit_id, "fail", detail=str(refusal))
            self._history.write(msgspec.structs.replace(ended, at_s=time.monotonic()))
            return ended.ending == "ok"
        return False


def _commit(commit_id: str, claims: Sequence[Claimed], organizations: dict[str, str]) -> Commit:
    events: list[Event] = [
        Opened(org_id=organizations[claim.originator_id], label=claim.content)
        if claim.version == 1
        else Added(amount=1, note=claim.content)
        for claim in claims
    ]
    return Commit(
        commit_id=commit_id,
        slots=tuple(Slot(claim.originator_id, claim.version) for claim in claims),
        topics=tuple(event.TYPE for event in events),
        bodies=tuple(CODEC.encode(event, id=f"{commit_id}.{index}", time=START) for index, event in enumerate(events)),
    )


def held(node: Node, shard: int = 0) -> list[Held]:
    """Every accepted event of the tallies in a shard, in log order, as this node reads it."""
    found: list[Held] = []
    position = Position(shard, 0)
    while page := node.read(position, _PAGE, _TYPES):
        for positioned in page:
            recorded = positioned.recorded
            event = recorded.event
            content = event.label if isinstance(event, Opened) else getattr(event, "note", "")
            commit_id = recorded.id.rpartition(".")[0].partition("~")[0]
            found.append(Held(commit_id, recorded.originator_id, recorded.originator_version, content))
        position = page[-1].position
    return found

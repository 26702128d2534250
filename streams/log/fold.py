"""Folding accepted events into documents, in the same transaction that appends them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from domain.aggregate import DocumentKeys
from domain.event import Recorded
from domain.log.commit import Commit
from domain.registry import kind_of
from streams.log.append import EMBEDDED_SHARD
from streams.log.states import States

SNAPSHOT_INTERVAL = 64
"""Events between snapshots: enough that a live call's growing state is rarely written, few enough that a cold read
replays them in a fraction of a millisecond."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_UPSERT = """
INSERT INTO documents VALUES (?,?,?,?,?,?,?,?,?)
ON CONFLICT (id) DO UPDATE SET org_id=excluded.org_id, created_at=excluded.created_at, updated_at=excluded.updated_at,
    status=excluded.status, reference=excluded.reference, deleted=excluded.deleted, version=excluded.version"""


class ForeignEvent(ValueError):
    """An event of one kind of aggregate on the history of another."""

    def __init__(self, originator_id: str, kind: str, type_name: str) -> None:
        super().__init__(f"{originator_id} is of kind {kind}; {type_name} cannot be appended to it")


class Unfoldable(msgspec.Struct, frozen=True):
    """The first event of an originator that this build cannot fold, and why."""

    originator_id: str
    version: int
    reason: str


class Stage(msgspec.Struct):
    """An originator's state as this transaction leaves it, and what it was before."""

    kind: str
    version_before: int
    before: Any
    version: int
    state: Any
    keys: DocumentKeys | None = None


def microseconds(time: datetime) -> int:
    """A time as documents store it: microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


class Fold:
    """The documents that one write transaction changes."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        states: States,
        shard: int = EMBEDDED_SHARD,
        frozen: set[str] | None = None,
    ) -> None:
        """``frozen`` holds originators that ``absorb`` found events of that cannot be folded; it adds to it."""
        self._connection = connection
        self._states = states
        self._shard = shard
        self._stages: dict[str, Stage] = {}
        self._frozen = frozen if frozen is not None else set[str]()

    def stage(self, recorded: Sequence[Recorded]) -> dict[str, Stage]:
        """Fold the events of one commit without keeping the result; ``keep`` does that.

        Events of kinds that are not folded leave no state. Raises ``ForeignEvent`` and whatever ``evolve`` refuses.
        """
        staged: dict[str, Stage] = {}
        for event in recorded:
            originator_id, kind = event.originator_id, kind_of(event.event.TYPE)
            stage = staged.get(originator_id) or self._open(kind, originator_id, event.originator_version - 1)
            if stage.kind != kind:
                raise ForeignEvent(originator_id, stage.kind, event.event.TYPE)
            staged[originator_id] = stage
            stage.version = event.originator_version
            aggregate = self._states.aggregates.get(kind)
            if aggregate is not None:
                stage.state = aggregate.evolve(stage.state, event)
        for stage in staged.values():
            if stage.kind in self._states.aggregates:
                stage.keys = self._states.aggregates[stage.kind].keys(stage.state)
        return staged

    def absorb(self, commits: Iterable[Commit]) -> list[Unfoldable]:
        """Fold accepted commits of a log that anybody may append to; what cannot be folded is told, not raised.

        An originator's document stays as it was before an event that cannot be folded, and so does it after later ones.
        """
        problems: list[Unfoldable] = []
        if not self._states.aggregates:
            return problems
        for commit in commits:
            for slot, topic, body in zip(commit.slots, commit.topics, commit.bodies, strict=True):
                originator_id, version = slot.originator_id, slot.version
                if originator_id in self._frozen:
                    continue
                try:
                    self._absorb(originator_id, version, topic, body)
                except Exception as problem:
                    self._frozen.add(originator_id)
                    problems.append(Unfoldable(originator_id, version, f"{type(problem).__name__}: {problem}"))
        return problems

    def _absorb(self, originator_id: str, version: int, topic: str, body: bytes) -> None:
        kind, states = kind_of(topic), self._states
        stage = self._stages.get(originator_id)
        if stage is None:
            stage = self._stages[originator_id] = self._open(kind, originator_id, version - 1)
        aggregate = states.aggregates.get(stage.kind)
        if aggregate is not None:
            if stage.kind != kind:
                raise ForeignEvent(originator_id, stage.kind, topic)
            event = states.events.decode(topic, body, originator_id, version)
            stage.state, stage.keys, stage.version = aggregate.evolve(stage.state, event), None, version

    def keep(self, staged: Mapping[str, Stage]) -> None:
        """Make the outcome of ``stage`` part of this transaction."""
        self._stages.update(staged)

    def write(self, head: int) -> None:
        """Write the changed documents, keys and due snapshots. ``head`` is the ordinal the log now ends with."""
        for originator_id, stage in self._folded():
            write_document(self._connection, self._states, originator_id, stage)
        set_position(self._connection, self._shard, head)

    def publish(self) -> None:
        """After the commit: let readers have the new states without decoding them."""
        for originator_id, stage in self._folded():
            self._states.cache.put(stage.kind, originator_id, stage.version, stage.state)

    def _folded(self) -> Iterator[tuple[str, Stage]]:
        """Stages that have a document. One whose first event could not be folded has no state."""
        return (
            (key, stage)
            for key, stage in self._stages.items()
            if stage.kind in self._states.aggregates and stage.state is not None
        )

    def _open(self, kind: str, originator_id: str, version: int) -> Stage:
        """A copy of what this transaction, or else the log, says of the originator."""
        known = self._stages.get(originator_id)
        if known is not None:
            return Stage(known.kind, known.version_before, known.before, known.version, known.state)
        cached = self._states.cache.get(kind, originator_id, version)
        if cached is not None:
            return Stage(kind, version, cached, version, cached)
        first = self._connection.execute(
            "SELECT topic FROM stored_events WHERE originator_id=? ORDER BY originator_version LIMIT 1",
            (originator_id,),
        ).fetchone()
        if first is None:
            return Stage(kind, version, None, version, None)
        if kind_of(first[0]) != kind or kind not in self._states.aggregates:
            return Stage(kind_of(first[0]), version, None, version, None)
        state = self._states.at(self._connection, kind, originator_id, version)
        return Stage(kind, version, state, version, state)


def write_document(connection: sqlite3.Connection, states: States, originator_id: str, stage: Stage) -> None:
    """Write one document row, its key hashes where they changed, and a snapshot where one is due."""
    aggregate = states.aggregates[stage.kind]
    keys = stage.keys or aggregate.keys(stage.state)
    connection.execute(
        _UPSERT,
        (
            originator_id,
            stage.kind,
            keys.org_id,
            microseconds(keys.created_at),
            microseconds(keys.updated_at),
            keys.status,
            keys.reference,
            keys.deleted,
            stage.version,
        ),
    )
    hashes = aggregate.keys(stage.before).key_hashes if stage.before is not None else ()
    if keys.key_hashes != hashes:
        connection.execute("DELETE FROM key_hashes WHERE document_id=?", (originator_id,))
        connection.executemany(
            "INSERT OR REPLACE INTO key_hashes VALUES (?,?,?)",
            [(hashed, stage.kind, originator_id) for hashed in keys.key_hashes],
        )
    if stage.version // SNAPSHOT_INTERVAL > max(stage.version_before, 0) // SNAPSHOT_INTERVAL:
        topic, encoded = states.codec.topics[stage.kind], states.codec.encode(stage.state)
        connection.execute("DELETE FROM stored_snapshots WHERE originator_id=?", (originator_id,))
        connection.execute(
            "INSERT INTO stored_snapshots VALUES (?,?,?,?)", (originator_id, stage.version, topic, encoded)
        )


def refold(
    connection: sqlite3.Connection,
    states: States,
    head: int,
    shard: int = EMBEDDED_SHARD,
    unfoldable: Callable[[Unfoldable], None] | None = None,
) -> tuple[str, ...]:
    """Fold anew every kind whose documents are not what the running code makes of the log; returns those kinds.

    That is so for a kind whose fingerprint changed, and for all of them when events were appended that no fold saw
    (through eventsourcing's recorder interface, say). Runs inside a write transaction, so no reader sees half of it.
    A history that cannot be folded is reported to ``unfoldable``; without it the error is raised.
    """
    folded_with = dict(connection.execute("SELECT kind, fingerprint FROM folds"))
    position = connection.execute("SELECT ordinal FROM fold_position WHERE shard=?", (shard,)).fetchone()
    behind = (position[0] if position else 0) != head
    marks = states.codec.fingerprints
    stale = tuple(kind for kind, mark in marks.items() if behind or folded_with.get(kind) != mark)
    for kind in stale:
        _refold_kind(connection, states, kind, unfoldable)
        connection.execute("INSERT OR REPLACE INTO folds VALUES (?,?)", (kind, marks[kind]))
    set_position(connection, shard, head)
    return stale


def set_position(connection: sqlite3.Connection, shard: int, head: int) -> None:
    """Say how far the documents have seen the log."""
    connection.execute("INSERT OR REPLACE INTO fold_position VALUES (?,?)", (shard, head))


def _refold_kind(
    connection: sqlite3.Connection, states: States, kind: str, unfoldable: Callable[[Unfoldable], None] | None
) -> None:
    connection.execute(
        "DELETE FROM stored_snapshots WHERE topic GLOB ? AND topic<>?", (f"{kind}@*", states.codec.topics[kind])
    )
    connection.execute("DELETE FROM key_hashes WHERE kind=?", (kind,))
    connection.execute("DELETE FROM documents WHERE kind=?", (kind,))
    originators = connection.execute(
        "SELECT originator_id, max(originator_version) FROM stored_events WHERE originator_id IN"
        " (SELECT originator_id FROM stored_events WHERE originator_version<=1 AND topic GLOB ?)"
        " AND originator_id NOT IN (SELECT originator_id FROM pruned)"
        " GROUP BY originator_id",
        (f"{kind}.*",),
    ).fetchall()
    for originator_id, version in originators:
        try:
            state = states.folded(connection, kind, originator_id, version)
        except Exception:
            if unfoldable is None:
                raise
            version, state = _foldable(connection, states, kind, originator_id, unfoldable)
        if state is not None:
            write_document(connection, states, originator_id, Stage(kind, 0, None, version, state))


def _foldable(
    connection: sqlite3.Connection,
    states: States,
    kind: str,
    originator_id: str,
    unfoldable: Callable[[Unfoldable], None],
) -> tuple[int, Any]:
    """The version and the state before the first event that cannot be folded, which is reported."""
    reached, state = 0, None
    events = connection.execute(
        "SELECT originator_version, topic, state FROM stored_events WHERE originator_id=? ORDER BY originator_version",
        (originator_id,),
    )
    for version, topic, body in events:
        try:
            state = states.aggregates[kind].evolve(state, states.events.decode(topic, body, originator_id, version))
        except Exception as problem:
            unfoldable(Unfoldable(originator_id, version, f"{type(problem).__name__}: {problem}"))
            break
        reached = version
    return reached, state

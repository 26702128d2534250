"""What the rest of callfold may ask of the log, whatever carries it (SQLite or Kafka)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from domain.aggregate import Aggregate, DocumentKeys
from domain.event import Event, Recorded
from domain.log.position import Position

S = TypeVar("S")
C = TypeVar("C")


class Positioned(msgspec.Struct, frozen=True, gc=False):
    """A recorded event together with its place in the shard."""

    position: Position
    recorded: Recorded


class Appended(msgspec.Struct, frozen=True):
    """The receipt of an accepted commit: durable, and already applied to this node's documents."""

    position: Position
    events: tuple[Recorded, ...]


class Document(msgspec.Struct, frozen=True):
    """An aggregate's present state as the replica keeps it. ``state`` is the aggregate's own state value."""

    id: str
    kind: str
    version: int
    keys: DocumentKeys
    state: Any


class LogUnavailable(Exception):
    """The log cannot take or answer now (disk full, broker away). Nothing was appended. ``full`` marks no space."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class OutcomeUnknown(LogUnavailable):
    """The append may or may not have happened. Re-send the same ``commit_id``; never invent a new one."""


class Step(msgspec.Struct, frozen=True):
    """A command to one aggregate, as a part of a decision about several."""

    aggregate: Aggregate[Any, Any]
    originator_id: str
    command: Any


class Commands(Protocol):
    """Load, decide, append, and retry on conflict with jitter: the one way to change an aggregate."""

    async def execute(
        self, aggregate: Aggregate[S, C], originator_id: str, command: C, *, commit_id: str | None = None
    ) -> tuple[S, Appended]:
        """Return the new state and the receipt. Raises ``Refused`` and ``LogUnavailable``."""

    async def execute_together(
        self, steps: Sequence[Step], *, commit_id: str | None = None
    ) -> tuple[tuple[Any, ...], Appended]:
        """Decide on several aggregates of one organisation and append all their events in one commit, or none.

        Each step names another originator; each is decided again when any of them has changed meanwhile. Return the
        new states in the order of the steps, and the receipt. Raises as ``execute``.
        """

    async def record(
        self,
        originator_id: str,
        events: Sequence[Event],
        times: Sequence[datetime],
        *,
        commit_id: str | None = None,
    ) -> Appended:
        """Append facts that need no decision (what was heard or said), in order, at whatever version is next.

        A writer that retries after ``OutcomeUnknown`` gives the same ``commit_id`` and the same facts again; where
        that commit was already accepted its receipt is returned and nothing is appended twice.
        """


class Documents(Protocol):
    """Point reads and newest-first lists from the replica; a client reads its own write."""

    def get(self, kind: str, originator_id: str, *, org_id: str | None = None) -> Document | None:
        """The live document, or ``None`` when missing, deleted, or another organisation's."""

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
        offset: int = 0,
        oldest_first: bool = False,
    ) -> list[Document]:
        """Newest first unless ``oldest_first``, without the first ``offset``.

        ``created`` and ``updated`` hold bounds such as ``(("gt", t1), ("le", t2))``.
        """

    def count(
        self,
        kind: str,
        *,
        org_id: str | None = None,
        reference: str | None = None,
        status: Sequence[str] = (),
        created: tuple[tuple[str, datetime], ...] = (),
        updated: tuple[tuple[str, datetime], ...] = (),
    ) -> int:
        """How many documents ``list`` would give without ``limit`` and ``offset``."""

    def find_key(self, key_hash: str) -> Document | None:
        """The organisation that owns a key with this hash."""


class EventLog(Protocol):
    """Reading the log in order."""

    def head(self, shard: int = 0) -> Position: ...

    def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]: ...

    def history(self, originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]: ...

    def follow(self, after: Position, types: frozenset[str] | None = None) -> AsyncIterator[Sequence[Positioned]]:
        """Batches from ``after`` on, for ever; waits on a condition for new commits, its own and other processes'."""

    async def wait_for(self, position: Position, timeout_s: float) -> bool:
        """Whether this node has seen ``position``, now or within that time; waits for commits, as ``follow`` does."""


Clock = Callable[[], datetime]
IdSource = Callable[[], str]

"""The log in one SQLite file: append, read, follow, and documents kept in step. The default, and the only copy."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from domain.aggregate import Aggregate
from domain.aggregates import AGGREGATES
from domain.event import Event
from domain.log.arbitration import UnknownEnvelopeVersion
from domain.log.codec import UNREADABLE, EventCodec
from domain.log.commit import Commit
from domain.log.ports import Appended, Clock, Document, IdSource, LogUnavailable, Positioned, Step
from domain.log.position import Position
from domain.log.receipt import Receipt
from domain.registry import EVENT_TYPES, EventType
from streams.log.append import EMBEDDED_SHARD, AppendTransaction
from streams.log.application import LogApplication
from streams.log.commands import LogCommands
from streams.log.datastore import DATABASE_ERRORS, unavailable
from streams.log.documents import DocumentReader
from streams.log.fold import refold
from streams.log.reader import LogReader
from streams.log.state_cache import StateCache
from streams.log.state_codec import Folded
from streams.log.states import States
from streams.log.tables import DOCUMENT_TABLES
from streams.log.verification import Verification, verify
from streams.log.writer import Writer

S = TypeVar("S")
C = TypeVar("C")


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
        self._documents = DocumentReader(application.datastore, states)
        self._reader = LogReader(application.datastore, application.codec)
        self._writer = Writer(application.datastore, states)
        self._commands = LogCommands(
            application, self._documents, self._reader, self._writer, clock=clock, new_id=new_id, jitter=jitter
        )
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
        with ExitStack() as undo:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
                application = LogApplication(path, aggregates, codec)
                undo.callback(application.close)
                states = States(aggregates, codec, application.states, StateCache())
                with application.datastore.preparing(), application.datastore.transaction(commit=True) as cursor:
                    for statement in DOCUMENT_TABLES:
                        cursor.execute(statement)
                    connection = cursor.sqlite_cursor.connection
                    refold(connection, states, AppendTransaction(connection).head)
            except UnknownEnvelopeVersion as newer:
                raise LogUnavailable(f"the log file {path} was written by a newer build: {newer}") from newer
            except UNREADABLE as event:
                raise LogUnavailable(f"the log file {path} holds an event this build cannot read: {event}") from event
            except OSError as problem:
                raise LogUnavailable(f"the log file {path} cannot be opened: {problem}") from problem
            except DATABASE_ERRORS as problem:
                raise unavailable(problem) from problem
            log = cls(application, states, clock=clock, new_id=new_id, jitter=jitter)
            undo.pop_all()
            return log

    def close(self) -> None:
        """Append what is pending, end every ``follow``, close the file."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._reader.close()
        self.application.close()

    # Commands

    async def execute(
        self, aggregate: Aggregate[S, C], originator_id: str, command: C, *, commit_id: str | None = None
    ) -> tuple[S, Appended]:
        """Load, decide, append; again on a lost race. See ``LogCommands.execute``."""
        return await self._commands.execute(aggregate, originator_id, command, commit_id=commit_id)

    async def execute_together(
        self, steps: Sequence[Step], *, commit_id: str | None = None
    ) -> tuple[tuple[Any, ...], Appended]:
        """The same for several aggregates in one commit. See ``LogCommands.execute_together``."""
        return await self._commands.execute_together(steps, commit_id=commit_id)

    async def record(
        self, originator_id: str, events: Sequence[Event], times: Sequence[datetime], *, commit_id: str | None = None
    ) -> Appended:
        """Append facts at whatever version is next. See ``LogCommands.record``."""
        return await self._commands.record(originator_id, events, times, commit_id=commit_id)

    def append(self, commit: Commit) -> Receipt:
        """Append a finished commit; blocks until its verdict is durable. See ``LogCommands.append``."""
        return self._commands.append(commit)

    def receipt(self, commit_id: str) -> Receipt | None:
        """The settled outcome of a commit, ``None`` when the log has not seen its id."""
        return self._commands.receipt(commit_id)

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
        offset: int = 0,
        oldest_first: bool = False,
    ) -> list[Document]:
        """Newest first unless ``oldest_first``. See ``DocumentReader.list``."""
        return self._documents.list(
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
        """How many there are. See ``DocumentReader.count``."""
        return self._documents.count(
            kind, org_id=org_id, reference=reference, status=status, created=created, updated=updated
        )

    def find_key(self, key_hash: str) -> Document | None:
        """The organisation that owns a key with this hash."""
        return self._documents.find_key(key_hash)

    # EventLog

    def head(self, shard: int = EMBEDDED_SHARD) -> Position:
        """The position of the newest event; ordinal 0 when there is none."""
        return self._reader.head(shard)

    def read(self, after: Position, limit: int, types: frozenset[str] | None = None) -> Sequence[Positioned]:
        """At most ``limit`` events after a position, in order; of the given types only, where given."""
        return self._reader.read(after, limit, types)

    def history(self, originator_id: str, *, after_version: int = 0) -> Sequence[Positioned]:
        """An originator's events in order of version."""
        return self._reader.history(originator_id, after_version=after_version)

    def follow(
        self, after: Position, types: frozenset[str] | None = None
    ) -> AsyncGenerator[Sequence[Positioned], None]:
        """Batches from ``after`` on, until the log is closed. See ``LogReader.follow``."""
        return self._reader.follow(after, types)

    # Rebuilding and checking

    async def wait_for(self, position: Position, timeout_s: float) -> bool:
        """Wait until ``position`` is on the log; ``False`` after ``timeout_s``. See ``LogReader.wait_for``."""
        return await self._reader.wait_for(position, timeout_s)

    def rebuilt(self, originator_id: str, *, version: int | None = None) -> Folded:
        """The aggregate folded from the log alone, newest or at a version. Raises ``AggregateNotFoundError``."""
        return self.application.replayed(originator_id, version=version)

    def verify(self) -> Verification:
        """Judge and chain every record again; reports the first one that is not what was appended."""
        with self.application.datastore.reading() as connection:
            return verify(connection)

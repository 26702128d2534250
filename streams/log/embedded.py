"""The log in one SQLite file: append, read, follow, and documents kept in step. The default, and the only copy."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from domain.aggregate import Aggregate
from domain.aggregates import AGGREGATES
from domain.log.arbitration import UnknownEnvelopeVersion
from domain.log.codec import UNREADABLE, EventCodec
from domain.log.ports import Clock, IdSource, LogUnavailable
from domain.registry import EVENT_TYPES, EventType
from streams.log.append import EMBEDDED_SHARD, AppendTransaction
from streams.log.application import LogApplication
from streams.log.datastore import DATABASE_ERRORS, unavailable
from streams.log.fold import refold
from streams.log.shard import Shard
from streams.log.sharded import ShardedLog
from streams.log.state_cache import StateCache
from streams.log.states import States
from streams.log.tables import DOCUMENT_TABLES
from streams.log.writer import Writer


class EmbeddedLog(ShardedLog[Shard]):
    """The log's only shard, in a file that several processes may open. Thread-safe. Open with ``EmbeddedLog.open``."""

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
        self._writer = Writer(application.datastore, states)
        self._only = Shard(application, states, self._writer, clock=clock, new_id=new_id, jitter=jitter)
        self._closed = False
        super().__init__({EMBEDDED_SHARD: self._only}, states.aggregates, _nothing_newer)

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
        self._only.reader.close()
        self.application.close()


def _nothing_newer() -> None:
    """The file is the log: whoever reads it sees all there is."""

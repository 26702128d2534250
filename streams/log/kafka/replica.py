"""One shard's replica: a SQLite file that holds what the records of a partition come to, up to a position in it.

Position, verdicts, heads, chain, poison and documents change in one transaction, so a crash loses at most the end of
what was applied, and that is read again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from domain.aggregate import Aggregate
from domain.log.arbitration import UnknownEnvelopeVersion
from domain.log.codec import EventCodec
from domain.log.ports import LogUnavailable
from streams.collector import uncollected
from streams.kafka.identity import LogIdentity
from streams.log.append import Settled, settled
from streams.log.application import LogApplication
from streams.log.checkpointer import Checkpointer
from streams.log.datastore import DATABASE_ERRORS, LOCK_TIMEOUT_SECONDS, LogDatastore, set_up
from streams.log.fold import Fold, Unfoldable
from streams.log.kafka.applying import PlacedRecord, ReadRecord, ReplicaTail, ReplicaTransaction, read
from streams.log.kafka.bulk import BulkTransaction
from streams.log.kafka.halt import Halted, newer_envelope
from streams.log.kafka.pruning import Prunable, prune
from streams.log.kafka.replica_file import file_trouble, note_unfoldable, refolded, stored_tail
from streams.log.kafka.tables import REPLICA_TABLES
from streams.log.state_cache import StateCache
from streams.log.states import States
from streams.log.tables import DOCUMENT_TABLES
from streams.log.transaction import in_transaction

_log = logging.getLogger(__name__)


class Plan:
    """Commits that a writer is about to send, judged and folded as if they came next, from offset ``base`` on."""

    def __init__(self, connection: sqlite3.Connection, states: States, shard: int, tail: ReplicaTail) -> None:
        self.base = tail.next_offset
        self.transaction = ReplicaTransaction(connection, shard, tail)
        self.fold = Fold(connection, states, shard)


class Replica:
    """Applies records and plans of this process, one at a time. Reading goes on beside it on other connections."""

    def __init__(
        self,
        application: LogApplication,
        states: States,
        connection: sqlite3.Connection,
        *,
        shard: int,
        identity: LogIdentity,
        tail: ReplicaTail,
        frozen: Mapping[str, str],
    ) -> None:
        self.application = application
        self.states = states
        self.shard = shard
        self.identity = identity
        self.halted: Halted | None = None
        self.trouble: LogUnavailable | None = None
        """Why the file took nothing when it was last written to, if it did not."""
        self._connection = connection
        self._tail = tail
        self._frozen = dict(frozen)
        self._changed = threading.Condition()
        self._expected: tuple[int, str] | None = None
        self._wanted = threading.Event()
        self._checkpointer = Checkpointer(application.datastore)

    @classmethod
    def open(
        cls,
        path: Path,
        shard: int,
        identity: LogIdentity,
        *,
        topic: str,
        aggregates: Mapping[str, Aggregate[Any, Any]],
        codec: EventCodec,
    ) -> Replica:
        """Open the file, made when missing, and bring its documents up to the running code.

        Raises ``UnfitCluster`` for a replica of another log, ``LogUnavailable`` for a file that cannot be used.
        """
        with ExitStack() as undo:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
                application = LogApplication(path, aggregates, codec, replica=True)
                undo.callback(application.close)
                states = States(aggregates, codec, application.states, StateCache())
                connection = sqlite3.connect(
                    path, isolation_level=None, check_same_thread=False, timeout=LOCK_TIMEOUT_SECONDS
                )
                undo.callback(connection.close)
                set_up(connection, synchronous="NORMAL")
                with in_transaction(connection):
                    for statement in (*DOCUMENT_TABLES, *REPLICA_TABLES):
                        connection.execute(statement)
                    tail = stored_tail(connection, shard, identity, topic=topic, path=path)
                    frozen = refolded(connection, states, shard, tail.next_ordinal - 1)
            except OSError as problem:
                raise LogUnavailable(f"the replica {path} cannot be opened: {problem}") from problem
            except DATABASE_ERRORS as problem:
                raise file_trouble(problem, shard, path) from problem
            undo.pop_all()
        return cls(application, states, connection, shard=shard, identity=identity, tail=tail, frozen=frozen)

    @property
    def datastore(self) -> LogDatastore:
        """For reading."""
        return self.application.datastore

    @property
    def path(self) -> Path:
        """The replica's file."""
        return self.datastore.path

    @property
    def tail(self) -> ReplicaTail:
        """How far the partition was applied."""
        return self._tail

    def apply(self, records: Sequence[PlacedRecord]) -> None:
        """Apply records in the order of their offsets; those that were applied before are passed over.

        Raises ``Halted`` at a newer writer's record (everything before it is applied), ``LogUnavailable`` where the
        file cannot be written (nothing is applied).
        """
        begin = self._tail.next_offset
        applied, halt = self._readable([placed for placed in records if placed.offset >= begin])
        if not applied and halt is None:
            return
        with self._changed:
            if self._apply([read for read in applied if read.offset >= self._tail.next_offset]):
                self._changed.notify_all()
        self.datastore.commits.fire()
        if halt is not None:
            raise halt

    def apply_read(self, records: Sequence[ReadRecord]) -> None:
        """The same for records that were taken apart already. Raises ``LogUnavailable``."""
        with self._changed, uncollected():
            if self._apply([read for read in records if read.offset >= self._tail.next_offset]):
                self._changed.notify_all()
        self.datastore.commits.fire()

    @contextmanager
    def planning(self) -> Iterator[Plan]:
        """A plan on the replica as it stands; nothing is applied meanwhile. Raises ``LogUnavailable``."""
        with self._changed:
            try:
                yield Plan(self._connection, self.states, self.shard, self._tail)
            except sqlite3.Error as problem:
                raise file_trouble(problem, self.shard, self.path) from problem

    def expect(self, plan: Plan, commit_id: str) -> None:
        """The plan, which begins with this commit, is being sent: it should be adopted rather than read back."""
        with self._changed:
            self._expected = (plan.base, commit_id)

    def adopt(self, plan: Plan) -> bool:
        """Apply a plan whose commits now stand on the log from ``plan.base`` on, and nothing between them.

        ``False`` when other records were applied first: the plan is void then, and the log has to be read.
        """
        with self._changed:
            self._expected = None
            adopted = self._tail.next_offset == plan.base
            if adopted:
                try:
                    self._write(plan.transaction, plan.fold, ())
                except sqlite3.Error as problem:
                    raise self._failed(problem) from problem
            self._changed.notify_all()
        self.datastore.commits.fire()
        return adopted

    def abandon(self) -> None:
        """The plan that was sent will not be adopted: what stands on the log has to be read, at once."""
        with self._changed:
            self._expected = None
            self._changed.notify_all()
        self._wanted.set()

    def leave_to_writer(self, offset: int, commit_id: str, timeout_s: float) -> None:
        """Wait while the commit that was read at ``offset`` is about to be adopted."""
        awaited = (offset, commit_id)
        with self._changed:
            self._changed.wait_for(lambda: self._expected != awaited, timeout_s)

    def rest(self, timeout_s: float) -> None:
        """Wait until somebody wants what is on the log."""
        if self._wanted.wait(timeout_s):
            self._wanted.clear()

    def prune(self, wanted: Prunable, limit: int) -> int:
        """Give up bodies and documents of at most ``limit`` histories; how many it were. Raises ``LogUnavailable``."""
        with self._changed:
            try:
                return prune(self._connection, wanted, limit)
            except sqlite3.Error as problem:
                raise file_trouble(problem, self.shard, self.path) from problem

    def unfoldable(self, originator_id: str) -> str | None:
        """Why the originator's history cannot be folded to its end, if so."""
        return self._frozen.get(originator_id)

    def settled(self, commit_id: str) -> Settled | None:
        """What the replica holds under a commit id. Raises ``LogUnavailable``."""
        with self.datastore.reading() as connection:
            return settled(connection, commit_id, self.shard)

    def wait_past(self, offset: int, timeout_s: float) -> bool:
        """Wait until the record at ``offset`` is applied. ``False`` after the time, or when the replica has halted."""
        with self._changed:
            self._changed.wait_for(lambda: self._tail.next_offset > offset or self.halted is not None, timeout_s)
            return self._tail.next_offset > offset

    def halt(self, reason: Halted) -> None:
        """Stop for good, and tell everybody who waits."""
        with self._changed:
            if self.halted is None:
                self.halted = reason
                _log.error("log.halted", extra={"shard": self.shard, "reason": str(reason)})
            self._changed.notify_all()
        self.datastore.commits.fire()

    def close(self) -> None:
        """Close the file. Nothing may be applied any more."""
        self._checkpointer.close()
        with self._changed:
            self._connection.close()
        self.application.close()

    def _readable(self, records: Sequence[PlacedRecord]) -> tuple[list[ReadRecord], Halted | None]:
        """The records before the first of a newer writer, and the reason to halt there."""
        found: list[ReadRecord] = []
        for placed in records:
            try:
                found.append(read(placed))
            except UnknownEnvelopeVersion as newer:
                return found, newer_envelope(self.shard, placed.offset, newer)
        return found, None

    def _apply(self, records: Sequence[ReadRecord]) -> bool:
        if not records:
            return False
        try:
            try:
                self._take_in(records, repeats=False)
            except sqlite3.IntegrityError:
                # Nothing was written, and one of these commits is on the log for the second time.
                self._take_in(records, repeats=True)
        except sqlite3.Error as problem:
            raise self._failed(problem) from problem
        return True

    def _take_in(self, records: Sequence[ReadRecord], *, repeats: bool) -> None:
        place = self._connection, self.shard, self._tail
        transaction = ReplicaTransaction(*place) if len(records) == 1 else BulkTransaction(*place, repeats=repeats)
        fold = Fold(self._connection, self.states, self.shard, set(self._frozen))
        unfoldable = fold.absorb(transaction.apply_all(records))
        self._write(transaction, fold, unfoldable)

    def _write(self, transaction: ReplicaTransaction, fold: Fold, unfoldable: Sequence[Unfoldable]) -> None:
        with in_transaction(self._connection):
            transaction.write_with(self.identity)
            fold.write(transaction.head)
            for event in unfoldable:
                note_unfoldable(self._connection, event)
        self._tail = transaction.tail
        self.trouble = None
        for event in unfoldable:
            self._frozen[event.originator_id] = event.reason
            _log.warning(
                "log.event_not_folded",
                extra={"shard": self.shard, "originator": event.originator_id, "version": event.version},
            )
        fold.publish()
        self._checkpointer.nudge()

    def _failed(self, problem: sqlite3.Error) -> LogUnavailable:
        self.trouble = file_trouble(problem, self.shard, self.path)
        return self.trouble

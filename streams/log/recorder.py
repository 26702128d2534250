"""eventsourcing's SQLite recorders, with what a log of record needs and they lack.

Commits are all or nothing and idempotent by commit id, versions are contiguous, notification ids are gapless ordinals
that survive ``VACUUM``, records are chained by hash, and readers can subscribe, across processes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    ListenNotifySubscription,
    Notification,
    StoredEvent,
    Subscription,
    Tracking,
)
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteCursor, SQLiteProcessRecorder

from domain.log.commit import Commit, Slot
from domain.log.receipt import Receipt
from streams.log.append import append_all
from streams.log.datastore import LogDatastore
from streams.log.tables import LOG_TABLES


def _text(originator_id: UUID | str) -> str:
    return originator_id.hex if isinstance(originator_id, UUID) else originator_id


class LogSubscription(ListenNotifySubscription[ApplicationRecorder]):
    """Blocks after the last event and goes on when the log grows, whichever process made it grow."""

    def __init__(self, recorder: LogApplicationRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._commits = recorder.datastore.commits
        self._commits.attach(self._has_been_notified.set)
        # What was committed between the first pull and the attachment.
        self._has_been_notified.set()

    def stop(self) -> None:
        """End the iteration, also for a thread that is blocked in it."""
        super().stop()
        self._commits.detach(self._has_been_notified.set)


class LogApplicationRecorder(SQLiteApplicationRecorder):
    """The log as eventsourcing's application recorder. Notification ids are ordinals of shard 0."""

    datastore: LogDatastore

    def construct_create_table_statements(self) -> list[str]:
        """The log's own tables instead of the library's."""
        return list(LOG_TABLES)

    def create_table(self) -> None:
        """Make the tables; safe when several processes do it at once."""
        with self.datastore.preparing(), self.datastore.transaction(commit=True) as cursor:
            self._create_table(cursor)

    def to_body(self, stored: StoredEvent) -> bytes:
        """What of a stored event goes to the log."""
        return stored.state

    def to_state(self, body: bytes) -> bytes:
        """A stored event's state from what is on the log."""
        return body

    def append(self, commits: Sequence[Commit]) -> list[Receipt]:
        """Append commits in one transaction, each judged on its own; durable when it returns.

        Raises ``CommitIdReused`` and ``MalformedRecord`` (nothing was appended), and the library's
        ``OperationalError`` when the file cannot be written.
        """
        with self.datastore.transaction(commit=True) as cursor:
            receipts = append_all(cursor.sqlite_cursor.connection, commits)
        self.datastore.commits.fire()
        return receipts

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append one commit and return its ordinals. Raises ``IntegrityError`` with the reason when it is void.

        ``tracking`` moves an upstream position in the same commit; ``commit_id`` makes a re-send idempotent.
        """
        tracking: Tracking | None = kwargs.get("tracking")
        if not stored_events and tracking is None:
            return []
        commit = Commit(
            commit_id=kwargs.get("commit_id") or uuid4().hex,
            slots=tuple(Slot(_text(stored.originator_id), stored.originator_version) for stored in stored_events),
            topics=tuple(stored.topic for stored in stored_events),
            bodies=tuple(self.to_body(stored) for stored in stored_events),
            tracking=None if tracking is None else (tracking.application_name, tracking.notification_id),
        )
        (receipt,) = self.append([commit])
        if not receipt.verdict.accepted:
            raise IntegrityError(receipt.verdict.reason)
        return list(receipt.ordinals)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events in log order, from ``start`` to ``stop``, at most ``limit`` of them."""
        conditions, parameters = [], list[Any]()
        if start is not None:
            conditions.append("ordinal>=?" if inclusive_of_start else "ordinal>?")
            parameters.append(start)
        if stop is not None:
            conditions.append("ordinal<=?")
            parameters.append(stop)
        if topics:
            conditions.append(f"topic IN ({','.join('?' * len(topics))})")
            parameters.extend(topics)
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(f"SELECT * FROM stored_events {where}ORDER BY ordinal LIMIT ?", [*parameters, limit])  # noqa: S608  # only fixed fragments
            return [
                Notification(
                    id=row["ordinal"],
                    originator_id=self.convert_originator_id(row["originator_id"]),
                    originator_version=row["originator_version"],
                    topic=row["topic"],
                    state=self.to_state(row["state"]),
                )
                for row in cursor.fetchall()
            ]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Notifications after ``gt``, for ever; blocks where there are none yet."""
        return LogSubscription(self, gt, topics)


class LogProcessRecorder(LogApplicationRecorder, SQLiteProcessRecorder):
    """The log as a process recorder: events and the upstream position they result from are one commit."""

    def construct_create_table_statements(self) -> list[str]:
        """The log's own tables, which include tracking."""
        return list(LOG_TABLES)

    def _create_table(self, c: SQLiteCursor) -> None:
        for statement in self.create_table_statements:
            c.execute(statement)

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move an upstream position. Raises ``IntegrityError`` when it is not after the recorded one."""
        self.insert_events([], tracking=tracking)

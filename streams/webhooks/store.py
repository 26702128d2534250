"""The outbox as it stands, kept up with the log: a sink of messages and of what became of them.

It is a fold like any other: a file that is gone is made again. Position and rows change in one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import msgspec

from domain.log.position import Position
from domain.processing import Rows, SinkUnavailable
from streams.webhooks.file import OutboxFile
from streams.webhooks.rows import CLAIMS, FOUND, MESSAGES, OUTCOMES, REPLAYS, SWITCHES, Message, Outcome

KEPT: Final = timedelta(days=30)
"""How long what is over can be looked at and sent again."""
TOO_OLD: Final = timedelta(hours=76)
"""A message that nobody tried for longer than the schedule lasts is not begun with; it can be asked for."""

_ADD: Final = (
    "INSERT INTO messages (id, org_id, endpoint_id, origin, about, sequence, type, patience, event_id, "
    "happened_ms, due_ms, state, ended_ms, failure, shard, server, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    "body = excluded.body, due_ms = min(due_ms, excluded.due_ms), event_id = excluded.event_id "
    "WHERE attempts = 0 AND state = 'pending'"
)
_SETTLE: Final = (
    # Of a message that two dispatchers tried (one was taken for dead) the delivery counts, whoever it was.
    "UPDATE messages SET state = :state, attempts = max(attempts, :attempt), failure = :failure, status = :status, "
    "detail = :detail, due_ms = CASE WHEN :next > 0 THEN :next ELSE due_ms END, ended_ms = :ended, "
    "replay = CASE WHEN :state = 'pending' THEN replay ELSE '' END "
    "WHERE id = :id AND (attempts < :attempt OR :attempt = 0 OR (:failure = '' AND state = 'pending'))"
)


class DeliveryStore:
    """A ``RowSink``. ``begins_after`` says where a shard's outbox begins. ``changed`` is called after every write, from
    the writing thread."""

    def __init__(
        self, file: OutboxFile, *, clock: Callable[[], datetime], begins_after: Callable[[int], Position]
    ) -> None:
        self._file = file
        self._clock = clock
        self._begins_after = begins_after
        self.changed: Callable[[Iterable[tuple[str, str]], Iterable[str]], None] = lambda endpoints, settled: None
        """Gets ``(org id, endpoint id)`` of endpoints with something new, and ids of messages whose outcome came."""

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        """See ``RowSink.write``."""
        try:
            with self._file.writing() as connection:
                writing = _Writing(connection, last.shard, self._ms())
                for table, parts in groupby(rows, key=lambda part: part.table):
                    writing.take(table, [row for part in parts for row in part.rows])
                touched = writing.touched()
                connection.execute(
                    "INSERT INTO positions VALUES (?, ?) ON CONFLICT (shard) DO UPDATE SET "
                    "ordinal = max(ordinal, excluded.ordinal)",
                    (last.shard, last.ordinal),
                )
        except sqlite3.OperationalError as problem:
            raise SinkUnavailable(f"the outbox cannot be written: {problem}") from problem
        self.changed(touched, writing.settled)

    def resume_from(self, shard: int) -> Position:
        """Up to where the shard is folded."""
        with self._file.reading() as connection:
            row = connection.execute("SELECT ordinal FROM positions WHERE shard = ?", (shard,)).fetchone()
        return Position(shard, row[0]) if row else self._begins_after(shard)

    def planned_end(self, shard: int) -> Position | None:
        """Ranges are not planned: a transaction takes all of one or nothing."""
        return None

    def prune(self) -> int:
        """Forget what has been over for long; how many."""
        before_ms = self._ms() - int(KEPT.total_seconds() * 1000)
        with self._file.writing() as connection:
            gone = connection.execute("DELETE FROM messages WHERE ended_ms < ?", (before_ms,))
            connection.execute(
                "DELETE FROM attempts WHERE at_ms < ? AND message_id NOT IN (SELECT id FROM messages)", (before_ms,)
            )
        return gone.rowcount

    def _ms(self) -> int:
        return round(self._clock().timestamp() * 1000)


class _Writing:
    """The rows of one range on their way into the tables, in their order."""

    def __init__(self, connection: sqlite3.Connection, shard: int, now_ms: int) -> None:
        self._connection = connection
        self._shard = shard
        self._now_ms = now_ms
        self._touched: set[tuple[str, str]] = set()
        self._endpoints: set[str] = set()
        self.settled: list[str] = []

    def take(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        match table:
            case t if t == MESSAGES:
                for (message,) in rows:
                    self._add(message)
            case t if t == OUTCOMES:
                self._settle([outcome for (outcome,) in rows])
            case t if t == REPLAYS:
                for message_id, kind, at_ms in rows:
                    self._replay(message_id, kind, at_ms)
            case t if t == FOUND:
                self._connection.executemany(_upsert("org_id"), rows)
            case t if t == CLAIMS:
                self._connection.executemany(_upsert("owner"), rows)
                self._endpoints.update(endpoint for endpoint, _ in rows)
            case t if t == SWITCHES:
                changes = [(endpoint, None if enabled else at_ms) for endpoint, enabled, at_ms in rows]
                self._connection.executemany(_upsert("disabled_ms"), changes)
                self._endpoints.update(endpoint for endpoint, _ in changes)

    def touched(self) -> set[tuple[str, str]]:
        """``(org id, endpoint id)`` of endpoints with something new."""
        for endpoint in self._endpoints:
            row = self._connection.execute("SELECT org_id FROM endpoints WHERE endpoint_id = ?", (endpoint,)).fetchone()
            if row is not None:
                self._touched.add((row[0], endpoint))
        return self._touched

    def _add(self, message: Message) -> None:
        lane = self._connection.execute(
            "SELECT sequence, CASE WHEN state = 'pending' AND attempts = 0 THEN happened_ms ELSE 0 END FROM messages "
            "WHERE endpoint_id = ? AND about = ? ORDER BY sequence DESC LIMIT 1",
            (message.endpoint_id, message.about),
        ).fetchone()
        sequence, before_ms = lane or (0, 0)
        # Clocks of several writers may disagree, and be set: nothing waits for a moment that only another clock has
        # seen, and what is due first must be what comes first on the log.
        happened_ms = max(min(message.happened_ms, self._now_ms), before_ms)
        old = self._now_ms - happened_ms > TOO_OLD.total_seconds() * 1000
        self._connection.execute(
            _ADD,
            (
                message.id,
                message.org_id,
                message.endpoint_id,
                message.origin,
                message.about,
                sequence + 1,
                message.type,
                message.patience,
                message.event_id,
                happened_ms,
                happened_ms + message.wait_ms,
                "stale" if old else "pending",
                happened_ms if old else None,
                "stale" if old else "",
                self._shard,
                msgspec.json.encode(message.server),
                message.body,
            ),
        )
        self._touched.add((message.org_id, message.endpoint_id))

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (o.message_id, o.attempt, o.at_ms, o.total_ms, o.failure, o.status, o.detail)
                for o in outcomes
                if o.attempt
            ],
        )
        self._connection.executemany(_SETTLE, [_settled(outcome) for outcome in outcomes])
        self.settled += [outcome.message_id for outcome in outcomes]
        self._endpoints.update(outcome.endpoint_id for outcome in outcomes if outcome.next_ms)

    def _replay(self, message_id: str, kind: str, at_ms: int) -> None:
        row = self._connection.execute(
            "UPDATE messages SET state = 'pending', replay = ?, base = attempts, due_ms = ?, ended_ms = NULL, "
            "patience = 'durable' WHERE id = ? RETURNING org_id, endpoint_id",
            (kind, at_ms, message_id),
        ).fetchone()
        if row:
            self._touched.add((row[0], row[1]))


def _settled(outcome: Outcome) -> dict[str, Any]:
    if not outcome.failure:
        state = "delivered"
    elif outcome.next_ms:
        state = "pending"
    else:
        state = "stale" if outcome.failure == "stale" else "dead"
    return {
        "id": outcome.message_id,
        "attempt": outcome.attempt,
        "state": state,
        "failure": outcome.failure,
        "status": outcome.status,
        "detail": outcome.detail,
        "next": outcome.next_ms,
        "ended": None if state == "pending" else outcome.at_ms,
    }


def _upsert(column: str) -> str:
    return (
        f"INSERT INTO endpoints (endpoint_id, {column}) VALUES (?, ?) "  # noqa: S608 - our own column names
        f"ON CONFLICT (endpoint_id) DO UPDATE SET {column} = excluded.{column}"
    )

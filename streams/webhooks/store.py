"""The outbox as it stands: a SQLite file folded from the log, which says what is due and what became of the rest.

It is a fold like any other: a file that is gone is made again. Position and rows change in one transaction.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from domain.log.position import Position
from domain.processing import Rows, SinkUnavailable
from domain.server_messages.server import Server
from domain.webhook.deliveries import Attempt, Delivered, Delivery, Selection
from streams.webhooks.rows import MESSAGES, OUTCOMES, REPLAYS, SWITCHES, Message, Outcome

VERSION: Final = 1
KEPT: Final = timedelta(days=30)
"""How long what is over can be looked at and sent again."""
TOO_OLD: Final = timedelta(hours=76)
"""A message that nobody tried for longer than the schedule lasts is not begun with; it can be asked for."""

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS positions (shard INTEGER PRIMARY KEY, ordinal INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS messages (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, org_id TEXT NOT NULL, endpoint_id TEXT NOT NULL,
        origin TEXT NOT NULL, about TEXT NOT NULL, sequence INTEGER NOT NULL, type TEXT NOT NULL,
        patience TEXT NOT NULL, event_id TEXT NOT NULL, happened_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, base INTEGER NOT NULL DEFAULT 0,
        replay TEXT NOT NULL DEFAULT '', failure TEXT NOT NULL DEFAULT '', status INTEGER,
        detail TEXT NOT NULL DEFAULT '', ended_ms INTEGER, shard INTEGER NOT NULL, server BLOB NOT NULL,
        body BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS due ON messages (endpoint_id, due_ms, number) WHERE state = 'pending'",
    "CREATE INDEX IF NOT EXISTS lanes ON messages (endpoint_id, about, sequence)",
    "CREATE INDEX IF NOT EXISTS shown ON messages (org_id, number)",
    "CREATE INDEX IF NOT EXISTS over ON messages (ended_ms) WHERE ended_ms IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS attempts (
        message_id TEXT NOT NULL, attempt INTEGER NOT NULL, at_ms INTEGER NOT NULL, total_ms REAL NOT NULL,
        failure TEXT NOT NULL, status INTEGER, detail TEXT NOT NULL, PRIMARY KEY (message_id, attempt))
        WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS disabled (endpoint_id TEXT PRIMARY KEY, since_ms INTEGER NOT NULL)",
)
_COLUMNS: Final = (
    "number, id, org_id, endpoint_id, origin, about, sequence, type, patience, event_id, happened_ms, due_ms, state, "
    "attempts, base, replay, failure, status, detail"
)


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits, with what sending it takes."""

    delivery: Delivery
    server: Server
    body: bytes


class DeliveryStore:
    """A ``RowSink``. Usable from any thread; ``changed`` is called after every write, from the writing thread."""

    def __init__(self, path: Path | str, *, clock: Callable[[], datetime]) -> None:
        self._lock = threading.RLock()
        self._clock = clock
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # What a power cut takes away is folded again: position and rows go together.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            for table in ("positions", "messages", "attempts", "disabled"):
                self._connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")
        self.changed: Callable[[Iterable[tuple[str, str]], Iterable[str]], None] = lambda endpoints, settled: None
        """Gets ``(org id, endpoint id)`` of endpoints with something new, and ids of messages whose outcome came."""

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._lock:
            self._connection.close()

    # The sink

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        """See ``RowSink.write``."""
        touched: set[tuple[str, str]] = set()
        settled: list[str] = []
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                with self._connection:
                    for part in rows:
                        for row in part.rows:
                            self._take(part.table, row, last.shard, touched, settled)
                    self._connection.execute(
                        "INSERT INTO positions VALUES (?, ?) ON CONFLICT (shard) DO UPDATE SET "
                        "ordinal = max(ordinal, excluded.ordinal)",
                        (last.shard, last.ordinal),
                    )
            except sqlite3.OperationalError as problem:
                raise SinkUnavailable(f"the outbox cannot be written: {problem}") from problem
        self.changed(touched, settled)

    def resume_from(self, shard: int) -> Position:
        """Up to where the shard is folded."""
        with self._lock:
            row = self._connection.execute("SELECT ordinal FROM positions WHERE shard = ?", (shard,)).fetchone()
        return Position(shard, row[0] if row else 0)

    def planned_end(self, shard: int) -> Position | None:
        """Ranges are not planned: a transaction takes all of one or nothing."""
        return None

    def _take(
        self, table: str, row: tuple[Any, ...], shard: int, touched: set[tuple[str, str]], settled: list[str]
    ) -> None:
        match table:
            case t if t == MESSAGES:
                message: Message = row[0]
                self._add(message, shard)
                touched.add((message.org_id, message.endpoint_id))
            case t if t == OUTCOMES:
                outcome: Outcome = row[0]
                settled.append(outcome.message_id)
                self._settle(outcome, touched)
            case t if t == REPLAYS:
                self._replay(*row, touched=touched)
            case t if t == SWITCHES:
                self._switch(*row, touched=touched)

    def _add(self, message: Message, shard: int) -> None:
        lane = self._connection.execute(
            "SELECT sequence, happened_ms FROM messages WHERE endpoint_id = ? AND about = ? "
            "ORDER BY sequence DESC LIMIT 1",
            (message.endpoint_id, message.about),
        ).fetchone()
        sequence, before_ms = lane or (0, 0)
        # Clocks of several writers may disagree; what is due first must be what comes first on the log.
        happened_ms = max(message.happened_ms, before_ms)
        old = self._ms() - happened_ms > TOO_OLD.total_seconds() * 1000
        self._connection.execute(
            "INSERT INTO messages (id, org_id, endpoint_id, origin, about, sequence, type, patience, event_id, "
            "happened_ms, due_ms, state, ended_ms, failure, shard, server, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "body = excluded.body, due_ms = min(due_ms, excluded.due_ms), event_id = excluded.event_id "
            "WHERE attempts = 0 AND state = 'pending'",
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
                shard,
                msgspec.json.encode(message.server),
                message.body,
            ),
        )

    def _settle(self, outcome: Outcome, touched: set[tuple[str, str]]) -> None:
        if outcome.attempt:
            self._connection.execute(
                "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    outcome.message_id,
                    outcome.attempt,
                    outcome.at_ms,
                    outcome.total_ms,
                    outcome.failure,
                    outcome.status,
                    outcome.detail,
                ),
            )
        if not outcome.failure:
            state = "delivered"
        elif outcome.next_ms:
            state = "pending"
        else:
            state = "stale" if outcome.failure == "stale" else "dead"
        row = self._connection.execute(
            "UPDATE messages SET state = ?, attempts = max(attempts, ?), failure = ?, status = ?, detail = ?, "
            "due_ms = CASE WHEN ? > 0 THEN ? ELSE due_ms END, ended_ms = ?, "
            "replay = CASE WHEN ? = 'pending' THEN replay ELSE '' END "
            "WHERE id = ? AND (attempts < ? OR ? = 0) RETURNING org_id, endpoint_id",
            (
                state,
                outcome.attempt,
                outcome.failure,
                outcome.status,
                outcome.detail,
                outcome.next_ms,
                outcome.next_ms,
                None if state == "pending" else outcome.at_ms,
                state,
                outcome.message_id,
                outcome.attempt,
                outcome.attempt,
            ),
        ).fetchone()
        if row and state == "pending":
            touched.add((row[0], row[1]))

    def _replay(self, message_id: str, kind: str, at_ms: int, *, touched: set[tuple[str, str]]) -> None:
        row = self._connection.execute(
            "UPDATE messages SET state = 'pending', replay = ?, base = attempts, due_ms = ?, ended_ms = NULL, "
            "patience = 'durable' WHERE id = ? RETURNING org_id, endpoint_id",
            (kind, at_ms, message_id),
        ).fetchone()
        if row:
            touched.add((row[0], row[1]))

    def _switch(self, endpoint: str, enabled: bool, at_ms: int, *, touched: set[tuple[str, str]]) -> None:
        if enabled:
            self._connection.execute("DELETE FROM disabled WHERE endpoint_id = ?", (endpoint,))
        else:
            self._connection.execute("INSERT OR REPLACE INTO disabled VALUES (?, ?)", (endpoint, at_ms))
        row = self._connection.execute(
            "SELECT org_id FROM messages WHERE endpoint_id = ? LIMIT 1", (endpoint,)
        ).fetchone()
        if row:
            touched.add((row[0], endpoint))

    # What is due

    def waiting(self) -> list[tuple[str, str]]:
        """``(org id, endpoint id)`` of every endpoint with something to deliver."""
        with self._lock:
            return self._connection.execute(
                "SELECT DISTINCT org_id, endpoint_id FROM messages WHERE state = 'pending'"
            ).fetchall()

    def is_disabled(self, endpoint: str) -> bool:
        """Whether nothing is sent there at present."""
        with self._lock:
            found = self._connection.execute("SELECT 1 FROM disabled WHERE endpoint_id = ?", (endpoint,)).fetchone()
        return found is not None

    def due(self, endpoint: str, limit: int) -> list[tuple[str, str, int, int]]:
        """The messages of an endpoint that wait, the next one first: id, whom it is about, when it is due, and how
        often it was tried since it was last asked for."""
        with self._lock:
            return self._connection.execute(
                "SELECT id, about, due_ms, attempts - base FROM messages WHERE endpoint_id = ? AND state = 'pending' "
                "ORDER BY due_ms, number LIMIT ?",
                (endpoint, limit),
            ).fetchall()

    def load(self, message_id: str) -> Due | None:
        """A message with its bytes."""
        with self._lock:
            row = self._connection.execute(
                f"SELECT {_COLUMNS}, server, body FROM messages WHERE id = ?",  # noqa: S608 - our own column names
                (message_id,),
            ).fetchone()
        if row is None:
            return None
        return Due(delivery=_delivery(row), server=msgspec.json.decode(row[-2], type=Server), body=row[-1])

    # Looking at it

    def list(self, org_id: str, chosen: Selection, limit: int) -> Sequence[Delivery]:
        """Messages of an organisation, newest first. See ``Deliveries.list``."""
        named = {"endpoint_id": chosen.endpoint_id, "about": chosen.about, "type": chosen.type}
        conditions = {column: value for column, value in named.items() if value}
        where = "".join(f" AND {column} = ?" for column in conditions)
        if chosen.states:
            where += f" AND state IN ({', '.join('?' * len(chosen.states))})"
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM messages WHERE org_id = ? AND number < ? AND happened_ms >= ? "  # noqa: S608 - our own column names
                f"AND happened_ms < ?{where} ORDER BY number DESC LIMIT ?",
                (
                    org_id,
                    chosen.before,
                    chosen.since_ms,
                    chosen.until_ms,
                    *conditions.values(),
                    *chosen.states,
                    limit,
                ),
            ).fetchall()
        return [_delivery(row) for row in rows]

    def get(self, org_id: str, message_id: str) -> Delivered | None:
        """One message with its attempts. See ``Deliveries.get``."""
        due = self.load(message_id)
        if due is None or due.delivery.org_id != org_id:
            return None
        with self._lock:
            rows = self._connection.execute(
                "SELECT attempt, at_ms, total_ms, failure, status, detail FROM attempts WHERE message_id = ? "
                "ORDER BY attempt",
                (message_id,),
            ).fetchall()
        names = Attempt.__struct_fields__
        attempts = tuple(Attempt(**dict(zip(names, row, strict=True))) for row in rows)
        return Delivered(delivery=due.delivery, body=due.body, attempts=attempts)

    def counts(self) -> Mapping[str, int]:
        """How many messages there are in each state."""
        with self._lock:
            return dict(self._connection.execute("SELECT state, count(*) FROM messages GROUP BY state").fetchall())

    def prune(self) -> int:
        """Forget what has been over for long; how many."""
        with self._lock:
            before_ms = self._ms() - int(KEPT.total_seconds() * 1000)
            gone = self._connection.execute("DELETE FROM messages WHERE ended_ms < ?", (before_ms,))
            self._connection.execute(
                "DELETE FROM attempts WHERE at_ms < ? AND message_id NOT IN (SELECT id FROM messages)", (before_ms,)
            )
        return gone.rowcount

    def _ms(self) -> int:
        return round(self._clock().timestamp() * 1000)


def _delivery(row: Sequence[Any]) -> Delivery:
    return Delivery(**dict(_named(row)))


def _named(row: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    return zip(Delivery.__struct_fields__, row, strict=False)

"""What the outbox says is to be sent, for the one who sends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from domain.server_messages.server import Server
from domain.webhook.deliveries import Delivery
from streams.webhooks.file import OutboxFile

DELIVERY_COLUMNS: Final = (
    "number, id, org_id, endpoint_id, origin, about, sequence, type, patience, event_id, happened_ms, due_ms, state, "
    "attempts, base, replay, failure, status, detail"
)

_FIELDS: Final = Delivery.__struct_fields__

_server = lru_cache(1_024)(msgspec.json.Decoder(Server).decode)
"""All messages of an assistant have the same."""


class DueRow(NamedTuple):
    """A message that waits: whom it is about, when it is due (ms since 1970), how often it was tried since it was last
    asked for, and how long its body is."""

    id: str
    about: str
    due_ms: int
    tried: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """Which dispatcher it belongs to, empty where it was never claimed, and whether nothing is sent there."""

    owner: str = ""
    disabled: bool = False


class Due(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message that waits, with what sending it takes."""

    delivery: Delivery
    server: Server
    body: bytes


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What is not delivered: how many wait, since when the oldest of those is due (ms since 1970; 0 where none is), and
    how many were given up."""

    pending: int
    oldest_due_ms: int
    dead: int


@dataclass(frozen=True)
class DueMessages:
    """Short reads by index, from any thread."""

    file: OutboxFile

    def waiting(self) -> list[tuple[str, str]]:
        """``(org id, endpoint id)`` of every endpoint with something to deliver."""
        with self.file.reading() as connection:
            return connection.execute(
                "SELECT DISTINCT org_id, endpoint_id FROM messages WHERE state = 'pending'"
            ).fetchall()

    def endpoint(self, endpoint: str) -> EndpointRow:
        """What is known of an endpoint."""
        with self.file.reading() as connection:
            row = connection.execute(
                "SELECT owner, disabled_ms IS NOT NULL FROM endpoints WHERE endpoint_id = ?", (endpoint,)
            ).fetchone()
        return EndpointRow(row[0], bool(row[1])) if row else EndpointRow()

    def due(self, endpoint: str, limit: int) -> list[DueRow]:
        """The messages of an endpoint that wait, the next one first."""
        with self.file.reading() as connection:
            rows = connection.execute(
                "SELECT id, about, due_ms, attempts - base, length(body) FROM messages "
                "WHERE endpoint_id = ? AND state = 'pending' ORDER BY due_ms, number LIMIT ?",
                (endpoint, limit),
            )
            return [DueRow(*row) for row in rows]

    def load(self, message_ids: Sequence[str]) -> dict[str, Due]:
        """Messages with their bytes, by id; those that are there."""
        marks = ", ".join("?" * len(message_ids))
        with self.file.reading() as connection:
            rows = connection.execute(
                f"SELECT {DELIVERY_COLUMNS}, server, body FROM messages WHERE id IN ({marks})",  # noqa: S608 - our own column names
                message_ids,
            ).fetchall()
        return {row[1]: Due(delivery=delivery_of(row), server=_server(row[-2]), body=row[-1]) for row in rows}

    def summary(self) -> Waiting:
        """For whoever watches over deliveries."""
        with self.file.reading() as connection:
            pending, oldest = connection.execute(
                "SELECT count(*), coalesce(min(due_ms), 0) FROM messages INDEXED BY due WHERE state = 'pending'"
            ).fetchone()
            (dead,) = connection.execute(
                "SELECT count(*) FROM messages INDEXED BY dead WHERE state = 'dead'"
            ).fetchone()
        return Waiting(pending=pending, oldest_due_ms=oldest, dead=dead)


def delivery_of(row: Sequence[Any]) -> Delivery:
    """From ``DELIVERY_COLUMNS``, perhaps with more behind them."""
    return Delivery(**dict(zip(_FIELDS, row, strict=False)))

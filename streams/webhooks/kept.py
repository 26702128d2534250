"""The delivery log of an organisation: its messages, newest first, and each one's attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.webhook.deliveries import Attempt, Delivered, Delivery, Selection
from streams.webhooks.due import DELIVERY_COLUMNS, delivery_of
from streams.webhooks.file import OutboxFile


@dataclass(frozen=True)
class KeptMessages:
    """Reads from any thread."""

    file: OutboxFile

    def list(self, org_id: str, chosen: Selection, limit: int) -> Sequence[Delivery]:
        """See ``Deliveries.list``."""
        named = {"endpoint_id": chosen.endpoint_id, "about": chosen.about, "type": chosen.type}
        conditions = {column: value for column, value in named.items() if value}
        where = "".join(f" AND {column} = ?" for column in conditions)
        if chosen.states:
            where += f" AND state IN ({', '.join('?' * len(chosen.states))})"
        with self.file.reading() as connection:
            rows = connection.execute(
                f"SELECT {DELIVERY_COLUMNS} FROM messages WHERE org_id = ? AND number < ? "  # noqa: S608 - our own column names
                f"AND happened_ms >= ? AND happened_ms < ?{where} ORDER BY number DESC LIMIT ?",
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
        return [delivery_of(row) for row in rows]

    def get(self, org_id: str, message_id: str) -> Delivered | None:
        """See ``Deliveries.get``."""
        names = Attempt.__struct_fields__
        with self.file.reading() as connection:
            row = connection.execute(
                f"SELECT {DELIVERY_COLUMNS}, body FROM messages WHERE id = ? AND org_id = ?",  # noqa: S608 - our own column names
                (message_id, org_id),
            ).fetchone()
            rows = connection.execute(
                "SELECT attempt, at_ms, total_ms, failure, status, detail FROM attempts WHERE message_id = ? "
                "ORDER BY attempt",
                (message_id,),
            ).fetchall()
        if row is None:
            return None
        attempts = tuple(Attempt(**dict(zip(names, values, strict=True))) for values in rows)
        return Delivered(delivery=delivery_of(row), body=row[-1], attempts=attempts)

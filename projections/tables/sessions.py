"""The ``sessions`` table: one row for every change of a session, newest shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from domain.configuration.state import ActiveConfiguration, Configuration
from domain.event import Event
from domain.log.ports import Positioned
from domain.session.events import EVENTS
from domain.session.state import ActiveSession, expiration_seconds
from projections.table import Column, Row, Table
from projections.tables.columns import ORDINAL, ORG, PLACE, RECORDED, SHARD

IDENTITY = (
    Column("session_id", "String", "Session"),
    Column("created_at", "DateTime64(6, 'UTC')", "When the session was created (UTC)"),
)
CHANGING = (
    Column("status", "LowCardinality(String)", "active or completed, as somebody said; see expires_at too"),
    Column("expires_at", "DateTime64(6, 'UTC')", "From when on the session takes no more conversations (UTC)"),
    Column("name", "Nullable(String)", "Label given by the client"),
    Column("assistant_id", "Nullable(String)", "Stored assistant that answers; null for one sent inside the request"),
    Column("squad_id", "Nullable(String)", "Stored squad that answers, where one does"),
    Column("phone_number_id", "Nullable(String)", "Stored phone number of the session, where it has one"),
    Column("customer_number", "Nullable(String)", "Telephone number of the other side (E.164), where there is one"),
    Column("chat_count", "UInt32", "Chats held in it since its messages were last replaced"),
    Column("call_count", "UInt32", "Calls held in it since its messages were last replaced"),
    Column("deleted_at", "Nullable(DateTime64(6, 'UTC'))", "When it was deleted (UTC); such sessions are not shown"),
)
SHOWN = (ORG, SHARD, *IDENTITY, ORDINAL, RECORDED, *CHANGING)

TABLE = Table(
    name="sessions",
    version=1,
    comment="Sessions: one row per change of a session, the highest log_ordinal is its present state",
    columns=(*PLACE, *IDENTITY, *CHANGING),
    order_by=("org_id", "created_at", "session_id", "log_ordinal"),
    shown=SHOWN,
    newest=("org_id", "created_at", "session_id"),
    view="SELECT\n    "
    + ",\n    ".join(column.name for column in SHOWN)
    + "\nFROM {newest} FINAL\nWHERE deleted_at IS NULL",
)

READS: frozenset[type[Event]] = frozenset(EVENTS)


def rows(session: Configuration, event: Positioned) -> tuple[Row, ...]:
    """The session after the event."""
    config, kept = session.config, isinstance(session, ActiveConfiguration)
    held = [joined.kind for joined in session.conversations] if isinstance(session, ActiveSession) else []
    customer = config.get("customer")
    return (
        (
            session.org_id,
            event.position.shard,
            event.position.ordinal,
            event.recorded.time,
            session.id,
            session.created_at,
            str(config.get("status") or "active"),
            session.created_at + timedelta(seconds=expiration_seconds(config)),
            _text(config, "name") if kept else None,
            *(_text(config, field) for field in ("assistantId", "squadId", "phoneNumberId")),
            _text(customer, "number") if kept and isinstance(customer, Mapping) else None,
            held.count("chat"),
            held.count("call"),
            None if kept else event.recorded.time,
        ),
    )


def _text(config: Mapping[str, Any], field: str) -> str | None:
    value = config.get(field)
    return value if isinstance(value, str) else None

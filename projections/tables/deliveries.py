"""The ``deliveries`` table: every attempt at telling a tenant's server something, and why it counted as it did."""

from __future__ import annotations

from domain.event import Event
from domain.log.ports import Positioned
from domain.webhook.events import DeliveryAttempted
from projections.table import Column, Row, Table
from projections.tables.columns import PLACE

_OWN = (
    Column("endpoint_id", "String", "Endpoint: an origin of the organisation"),
    Column("message_id", "String", "Message; the same for all its attempts, the webhook-id header"),
    Column("message_type", "LowCardinality(String)", "Type of the message: status-update, end-of-call-report, …"),
    Column("about_id", "String", "Call, chat or session that it tells about"),
    Column("event_id", "String", "Event on the log that it follows from"),
    Column("url", "String", "Where it was sent, without the query"),
    Column("attempt", "UInt32", "Number of the attempt at this message, from 1"),
    Column("started_at", "DateTime64(6, 'UTC')", "When the attempt began (UTC)"),
    Column("total_ms", "Float64", "Time from its begin to the end of the answer (ms)"),
    Column("outcome", "LowCardinality(String)", "success, or why not: status, redirect, gone, throttled, timeout, …"),
    Column("status", "Nullable(UInt16)", "HTTP status of the answer, where there was one"),
    Column("detail", "String", "The reason in words"),
    Column("request_bytes", "UInt64", "Length of the body"),
    Column("response_bytes", "UInt64", "Length of the answer, as far as it was read"),
    Column("body_sha256", "String", "SHA-256 of the body (hex)"),
    Column("replay", "LowCardinality(String)", "manual or recover where somebody asked for it again, else empty"),
    Column("next_attempt_at", "Nullable(DateTime64(6, 'UTC'))", "When it is tried again (UTC); null where it is not"),
)

TABLE = Table(
    name="deliveries",
    version=1,
    comment="Attempts to deliver messages to the servers of tenants: one row for each",
    columns=(*PLACE, *_OWN),
    order_by=("org_id", "started_at", "message_id", "attempt"),
    view="SELECT * FROM {source}",
)

READS: frozenset[type[Event]] = frozenset({DeliveryAttempted})


def rows(org_id: str, event: Positioned) -> tuple[Row, ...]:
    """One row for an attempt."""
    attempted = event.recorded.event
    if not isinstance(attempted, DeliveryAttempted):
        return ()
    return (
        (
            org_id,
            event.position.shard,
            event.position.ordinal,
            event.recorded.time,
            event.recorded.originator_id,
            attempted.message_id,
            attempted.message_type,
            attempted.about,
            attempted.event_id,
            attempted.url,
            attempted.attempt,
            attempted.started_at,
            attempted.total_ms,
            attempted.failure or "success",
            attempted.status,
            attempted.detail,
            attempted.request_bytes,
            attempted.response_bytes,
            attempted.body_sha256,
            attempted.replay,
            attempted.next_attempt_at,
        ),
    )

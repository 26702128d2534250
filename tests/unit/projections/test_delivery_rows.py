"""Given attempts at an endpoint, then each is a row of the table of deliveries, under its organisation."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.webhook.events import DeliveryAttempted, EndpointFound
from projections.folds import DeliveryTable
from projections.tables.deliveries import TABLE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ATTEMPTED = DeliveryAttempted(
    message_id="msg_1",
    message_type="status-update",
    about="call",
    event_id="event.1",
    url="https://shop.example/hooks",
    attempt=2,
    started_at=NOON,
    total_ms=12.5,
    body_sha256="ab" * 32,
    request_bytes=812,
    failure="throttled",
    status=503,
    detail="answered 503",
    next_attempt_at=NOON,
)


def placed(version: int, event: Event) -> Positioned:
    return Positioned(Position(0, version), Recorded("endpoint", version, f"e.{version}", NOON, event))


def test_each_attempt_is_a_row() -> None:
    fold = DeliveryTable()
    org_id, none = fold.apply(fold.initial(), placed(1, EndpointFound(org_id="org", origin="https://shop.example")))
    assert (org_id, tuple(none)) == ("org", ())
    _, effects = fold.apply(org_id, placed(2, ATTEMPTED))
    ((row,),) = (part.rows for part in effects)
    shown = dict(zip(TABLE.column_names, row, strict=True))
    assert shown["org_id"] == "org"
    assert (shown["message_id"], shown["attempt"], shown["outcome"], shown["status"]) == ("msg_1", 2, "throttled", 503)
    assert shown["next_attempt_at"] == NOON

"""What is recorded of an attempt at a message, and whether there is another one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import cast

from domain.server_messages.selection import Patience
from domain.webhook.events import DeliveryAttempted, MessageExpired, ReplayKind
from domain.webhook.origin import without_query
from domain.webhook.schedule import is_stale, next_attempt
from streams.webhooks.due import Due
from streams.webhooks.sender import Sent


def too_late(due: Due, now: datetime) -> MessageExpired | None:
    """That the message is let go, where it tells of a moment that has passed."""
    delivery = due.delivery
    happened = datetime.fromtimestamp(delivery.happened_ms / 1000, UTC)
    if not is_stale(cast(Patience, delivery.patience), happened, now):
        return None
    return MessageExpired(
        message_id=delivery.id, message_type=delivery.type, about=delivery.about, event_id=delivery.event_id
    )


def tried_again_at(due: Due, sent: Sent, attempt: int, now: datetime, jitter: Callable[[], float]) -> datetime | None:
    """When a message is tried again after a failure; ``None`` where it is given up."""
    if sent.aborted or not sent.failure:
        return None
    return next_attempt(
        now,
        attempts=attempt - due.delivery.base,
        patience=cast(Patience, due.delivery.patience),
        failure=sent.failure,
        status=sent.status,
        backoff=due.server.backoff,
        retry_after_seconds=sent.retry_after_seconds,
        jitter=jitter(),
    )


def attempted(
    due: Due, sent: Sent, attempt: int, started: datetime, total_ms: float, again: datetime | None
) -> DeliveryAttempted:
    """One request that was made, and what came of it."""
    delivery = due.delivery
    return DeliveryAttempted(
        message_id=delivery.id,
        message_type=delivery.type,
        about=delivery.about,
        event_id=delivery.event_id,
        url=without_query(due.server.url),
        attempt=attempt,
        started_at=started,
        total_ms=round(total_ms, 3),
        body_sha256=sha256(due.body).hexdigest(),
        request_bytes=len(due.body),
        failure=sent.failure,
        status=sent.status,
        response_bytes=sent.response_bytes,
        detail=sent.detail,
        replay=cast(ReplayKind, delivery.replay),
        next_attempt_at=again,
    )

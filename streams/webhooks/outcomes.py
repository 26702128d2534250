"""What is on the log about deliveries, as rows for the outbox: attempts, replays, and what became of endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain.log.ports import Positioned
from domain.processing import Effect, Rows
from domain.webhook.events import (
    DeliveryAttempted,
    EndpointClaimed,
    EndpointDisabled,
    EndpointEnabled,
    EndpointFound,
    MessageExpired,
    ReplayRequested,
)
from streams.webhooks.rows import CLAIMS, FOUND, OUTCOMES, REPLAYS, SWITCHES, Outcome


@dataclass(frozen=True)
class DeliveryOutcomes:
    """What is already on the log about deliveries."""

    name: str = "webhook-outcomes"
    version: int = 1
    handles: frozenset[str] = frozenset(
        kind.TYPE
        for kind in (
            EndpointFound,
            EndpointClaimed,
            DeliveryAttempted,
            MessageExpired,
            EndpointDisabled,
            EndpointEnabled,
            ReplayRequested,
        )
    )

    def initial(self) -> None:
        """Each event says all there is to know."""

    def apply(self, state: None, event: Positioned) -> tuple[None, Iterable[Effect]]:
        """A row for each of them."""
        recorded, endpoint = event.recorded, event.recorded.originator_id
        at_ms = round(recorded.time.timestamp() * 1000)
        match recorded.event:
            case DeliveryAttempted() as attempted:
                return None, (Rows(OUTCOMES, ((_outcome(endpoint, attempted),),)),)
            case MessageExpired(message_id=id):
                gone = Outcome(
                    message_id=id,
                    endpoint_id=endpoint,
                    attempt=0,
                    failure="stale",
                    status=None,
                    at_ms=at_ms,
                    next_ms=0,
                    detail="too late",
                )
                return None, (Rows(OUTCOMES, ((gone,),)),)
            case EndpointFound(org_id=org_id):
                return None, (Rows(FOUND, ((endpoint, org_id),)),)
            case EndpointClaimed(owner=owner):
                return None, (Rows(CLAIMS, ((endpoint, owner),)),)
            case EndpointDisabled():
                return None, (Rows(SWITCHES, ((endpoint, False, at_ms),)),)
            case EndpointEnabled():
                return None, (Rows(SWITCHES, ((endpoint, True, at_ms),)),)
            case ReplayRequested(message_ids=ids, kind=kind):
                return None, (Rows(REPLAYS, tuple((id, kind, at_ms) for id in ids)),)
        return None, ()


def _outcome(endpoint: str, attempted: DeliveryAttempted) -> Outcome:
    due = attempted.next_attempt_at
    return Outcome(
        message_id=attempted.message_id,
        endpoint_id=endpoint,
        attempt=attempted.attempt,
        failure=attempted.failure,
        status=attempted.status,
        at_ms=round(attempted.started_at.timestamp() * 1000),
        total_ms=attempted.total_ms,
        next_ms=round(due.timestamp() * 1000) if due else 0,
        detail=attempted.detail,
    )

"""The endpoint as an aggregate: its fold, and its decisions (above all when to stop trying)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from domain.aggregate import Aggregate, Conflicting, DocumentKeys, NotFound, Refused
from domain.event import Event, Recorded
from domain.webhook.commands import (
    ClaimEndpoint,
    DisableEndpoint,
    EnableEndpoint,
    EndpointCommand,
    RecordDeliveries,
    RequestReplay,
)
from domain.webhook.events import (
    DeliveryAttempted,
    EndpointClaimed,
    EndpointDisabled,
    EndpointEnabled,
    EndpointFound,
    ReplayRequested,
)
from domain.webhook.state import Endpoint

FAILING_FOR: Final = timedelta(days=5)
"""How long everything has to fail before an endpoint is given up."""
SEVERAL: Final = 3
"""Failures that there must have been by then: one message that nobody can take is no dead endpoint."""
MOST_REPLAYED: Final = 10_000
"""Messages of one replay request."""


def evolve(state: Endpoint | None, recorded: Recorded) -> Endpoint:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with its finding."""
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    if state is None:
        if not isinstance(event, EndpointFound):
            raise NotFound(f"Endpoint {recorded.originator_id} does not exist, so {event.TYPE} cannot follow.")
        return Endpoint(
            id=recorded.originator_id,
            org_id=event.org_id,
            origin=event.origin,
            created_at=time,
            updated_at=time,
            version=version,
        )
    return replace(state, updated_at=time, version=version, **_changed(state, event))


def _changed(state: Endpoint, event: Event) -> dict[str, Any]:
    match event:
        case DeliveryAttempted(failure=""):
            return {"failing_since": None, "failures": 0, "delivered": state.delivered + 1}
        case DeliveryAttempted():
            exhausted = state.exhausted + (event.next_attempt_at is None)
            since = state.failing_since or event.started_at
            return {"failing_since": since, "failures": state.failures + 1, "exhausted": exhausted}
        case EndpointClaimed(owner=owner):
            return {"owner": owner}
        case EndpointDisabled(reason=reason):
            return {"disabled": reason}
        case EndpointEnabled():
            return {"disabled": "", "failing_since": None, "failures": 0}
        case _:
            return {}


def decide(state: Endpoint | None, command: EndpointCommand) -> Sequence[Event]:
    """The events that ``command`` leads to, or ``Refused``."""
    if isinstance(command, RecordDeliveries):
        return [*_found(state, command), *command.facts, *_given_up(state, command.facts)]
    if isinstance(command, ClaimEndpoint):
        faster = state is not None and state.owner != command.instead_of
        return [] if faster else [*_found(state, command), EndpointClaimed(owner=command.owner)]
    if state is None or state.org_id != command.org_id:
        raise NotFound("The endpoint does not exist.", field="id", fix="List what there is.")
    match command:
        case DisableEndpoint():
            return [] if state.disabled else [EndpointDisabled(reason="asked")]
        case EnableEndpoint():
            if not state.disabled:
                raise Conflicting(f"Endpoint {state.id} is in use.")
            return [EndpointEnabled()]
        case RequestReplay(message_ids=ids, kind=kind):
            if not ids:
                raise Refused("No message is named.", field="messageIds", fix="Name those to be sent again.")
            if len(ids) > MOST_REPLAYED:
                raise Refused(f"{len(ids)} messages are too many at once.", fix=f"Ask for {MOST_REPLAYED} at most.")
            return [ReplayRequested(message_ids=ids, kind=kind)]


def _found(state: Endpoint | None, command: RecordDeliveries | ClaimEndpoint) -> Sequence[Event]:
    return [] if state is not None else [EndpointFound(org_id=command.org_id, origin=command.origin)]


def _given_up(state: Endpoint | None, facts: Sequence[Event]) -> Sequence[Event]:
    """An endpoint that is gone, or at which everything has failed for days, is not asked any more."""
    if state is not None and state.disabled:
        return []
    since: datetime | None = state.failing_since if state else None
    failures = state.failures if state else 0
    for fact in facts:
        if not isinstance(fact, DeliveryAttempted):
            continue
        if not fact.failure:
            since, failures = None, 0
            continue
        if fact.failure == "gone":
            return [EndpointDisabled(reason="gone")]
        since, failures = since or fact.started_at, failures + 1
        if failures >= SEVERAL and fact.started_at - since >= FAILING_FOR:
            return [EndpointDisabled(reason="failing")]
    return []


def keys(state: Endpoint) -> DocumentKeys:
    """An endpoint is found by its organisation."""
    return DocumentKeys(
        org_id=state.org_id,
        created_at=state.created_at,
        updated_at=state.updated_at,
        status=state.disabled or "enabled",
    )


ENDPOINT: Aggregate[Endpoint, EndpointCommand] = Aggregate(
    kind="webhook", state_type=Endpoint, evolve=evolve, decide=decide, keys=keys
)

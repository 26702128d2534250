"""The outbox: pure processors that turn events into messages for tenants' servers, and attempts into their outcomes.

Everything follows from the log: an outbox that was lost is folded again, and what was delivered stays delivered,
because the attempts are on the log too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from domain.call.aggregate import CALL
from domain.call.artifact import artifact_body
from domain.call.events import AssistantActivated, CallCreated, CallStarted
from domain.call.state import Call, Deleted, Ended, KeptCall, Live
from domain.call.wire import CallUrls, call_body
from domain.event import Recorded
from domain.log.ports import Positioned
from domain.processing import Effect, Rows
from domain.registry import EVENT_TYPES
from domain.server_messages.calls import (
    REPORT,
    assistant_of,
    call_messages,
    call_snapshot,
    customer_of,
    report_fields,
)
from domain.server_messages.selection import patience_of, selected_type
from domain.webhook.events import (
    DeliveryAttempted,
    EndpointDisabled,
    EndpointEnabled,
    MessageExpired,
    ReplayRequested,
)
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id, message_id
from streams.webhooks.addressing import Addressing, Subscription
from streams.webhooks.rows import MESSAGES, OUTCOMES, REPLAYS, SWITCHES, Message, Outcome

REPORT_WAIT_MS: Final = 60_000
"""How long a report waits for the recordings of its call, which are stored after it has ended."""
BODY_BYTES: Final = 1 << 20
"""A larger message loses the longest parts of its artifact."""

Json = dict[str, Any]
UrlsOf = Callable[[KeptCall], CallUrls]
"""Where a call and its artifacts can be reached."""


class CallOutboxState(msgspec.Struct, frozen=True, gc=False):
    """The call so far, and whom its messages go to."""

    call: Call | None = None
    subscription: Subscription | None = None


@dataclass(frozen=True)
class CallOutbox:
    """Messages about calls."""

    addressing: Addressing
    urls: UrlsOf
    name: str = "webhook-call-outbox"
    version: int = 1
    handles: frozenset[str] = frozenset(name for name in EVENT_TYPES if name.startswith(f"{CALL.kind}."))

    def initial(self) -> CallOutboxState:
        """Nothing is known of a call before its first event."""
        return CallOutboxState()

    def apply(self, state: CallOutboxState, event: Positioned) -> tuple[CallOutboxState, Iterable[Effect]]:
        """A row for each message that the server asked for."""
        recorded = event.recorded
        call = CALL.evolve(state.call, recorded)
        subscription = self._subscription(state, call, recorded)
        after = CallOutboxState(call, subscription)
        if subscription is None:
            return after, ()
        rows = []
        for number, fields in enumerate(call_messages(call, recorded.event)):
            kind = selected_type(subscription.wanted, fields)
            if kind is not None:
                rows.append((self._message(call, subscription, recorded, number, {**fields, "type": kind}),))
        return after, (Rows(MESSAGES, tuple(rows)),) if rows else ()

    def _subscription(self, state: CallOutboxState, call: Call, recorded: Recorded) -> Subscription | None:
        if isinstance(call, Deleted):
            return state.subscription
        request, org_id = call.identity.request, call.identity.org_id
        match recorded.event:
            case CallCreated():
                return self.addressing.of_request(request, org_id, recorded.time)
            case CallStarted(assistant=assistant) | AssistantActivated(assistant=assistant):
                return self.addressing.of_assistant(assistant, request, org_id, recorded.time)
        return state.subscription

    def _message(
        self, call: Call, subscription: Subscription, recorded: Recorded, number: int, fields: Json
    ) -> Message:
        kind, happened_ms = fields["type"], round(recorded.time.timestamp() * 1000)
        org_id = call.org_id if isinstance(call, Deleted) else call.identity.org_id
        origin = origin_of(subscription.server.url)
        endpoint = endpoint_id(org_id, origin)
        report = kind == REPORT
        source = f"{recorded.originator_id}.{REPORT}" if report else f"{recorded.id}.{number}"
        body = {**fields, "timestamp": happened_ms, **self._common(call, subscription, kind)}
        waits = report and isinstance(call, Ended) and call.start is not None and not _is_logged(call)
        return Message(
            id=message_id(endpoint, source),
            org_id=org_id,
            endpoint_id=endpoint,
            origin=origin,
            about=recorded.originator_id,
            type=kind,
            patience=patience_of(kind),
            event_id=recorded.id,
            happened_ms=happened_ms,
            body=bounded_body(body),
            server=subscription.server,
            wait_ms=REPORT_WAIT_MS if waits else 0,
        )

    def _common(self, call: Call, subscription: Subscription, kind: str) -> Json:
        """The fields that every message has. Live ones leave the artifact out: what is new stands in themselves."""
        number = {"phoneNumber": subscription.phone_number} if subscription.phone_number else {}
        if isinstance(call, Deleted):
            return {"call": call_snapshot(call_body(call, urls=CallUrls())), **number}
        urls = self.urls(call)
        shown = call_body(call, urls=urls)
        common = {"call": call_snapshot(shown), **assistant_of(call), **customer_of(call), **number}
        if patience_of(kind) == "durable" and isinstance(call, Live | Ended):
            common["artifact"] = shown.get("artifact") or artifact_body(call, urls.artifacts)
        if kind == REPORT and isinstance(call, Ended):
            common |= report_fields(call, shown, shown.get("analysis") or {})
        return common


def _is_logged(call: Ended) -> bool:
    return any(artifact.track == "log" for artifact in call.artifacts)


def bounded_body(message: Json) -> bytes:
    """The request's body. One that is too large loses messages of its artifact, and says so."""
    body = msgspec.json.encode({"message": message})
    for name in ("messagesOpenAIFormatted", "messages"):
        if len(body) <= BODY_BYTES:
            return body
        artifact = {key: part for key, part in (message.get("artifact") or {}).items() if key != name}
        message = {key: part for key, part in message.items() if key != name} | {
            "artifact": {**artifact, "truncated": True}
        }
        body = msgspec.json.encode({"message": message})
    return body


@dataclass(frozen=True)
class DeliveryOutcomes:
    """What is already on the log about deliveries."""

    name: str = "webhook-outcomes"
    version: int = 1
    handles: frozenset[str] = frozenset(
        kind.TYPE for kind in (DeliveryAttempted, MessageExpired, EndpointDisabled, EndpointEnabled, ReplayRequested)
    )

    def initial(self) -> None:
        """Each event says all there is to know."""

    def apply(self, state: None, event: Positioned) -> tuple[None, Iterable[Effect]]:
        """A row for each outcome, switch or replay."""
        recorded = event.recorded
        at_ms = round(recorded.time.timestamp() * 1000)
        match recorded.event:
            case DeliveryAttempted() as attempted:
                return None, (Rows(OUTCOMES, ((_outcome(attempted),),)),)
            case MessageExpired(message_id=id):
                gone = Outcome(
                    message_id=id, attempt=0, failure="stale", status=None, at_ms=at_ms, next_ms=0, detail="too late"
                )
                return None, (Rows(OUTCOMES, ((gone,),)),)
            case EndpointDisabled():
                return None, (Rows(SWITCHES, ((recorded.originator_id, False, at_ms),)),)
            case EndpointEnabled():
                return None, (Rows(SWITCHES, ((recorded.originator_id, True, at_ms),)),)
            case ReplayRequested(message_ids=ids, kind=kind):
                return None, (Rows(REPLAYS, tuple((id, kind, at_ms) for id in ids)),)
        return None, ()


def _outcome(attempted: DeliveryAttempted) -> Outcome:
    due = attempted.next_attempt_at
    return Outcome(
        message_id=attempted.message_id,
        attempt=attempted.attempt,
        failure=attempted.failure,
        status=attempted.status,
        at_ms=round(attempted.started_at.timestamp() * 1000),
        next_ms=round(due.timestamp() * 1000) if due else 0,
        detail=attempted.detail,
    )

"""The outbox of calls: a pure processor that turns events into messages for tenants' servers.

Everything follows from the log: an outbox that was lost is folded again, and what was delivered stays delivered,
because the attempts are on the log too (``outcomes``).
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
from streams.webhooks.addressing import Addressing, Subscription
from streams.webhooks.rendering import rendered
from streams.webhooks.rows import MESSAGES, Message

REPORT_WAIT_MS: Final = 60_000
"""How long a report waits for the recordings of its call, which are stored after it has ended."""

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
        kind = fields["type"]
        report = kind == REPORT
        waits = report and isinstance(call, Ended) and call.start is not None and not _is_logged(call)
        return rendered(
            fields | self._common(call, subscription, kind),
            recorded,
            org_id=call.org_id if isinstance(call, Deleted) else call.identity.org_id,
            server=subscription.server,
            source=f"{recorded.originator_id}.{REPORT}" if report else f"{recorded.id}.{number}",
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

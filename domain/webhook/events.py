"""What can happen to an endpoint that messages are delivered to. An endpoint is an origin of one organisation.

The messages themselves are no events: they follow from the events that they tell about.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from domain.event import Event

Failure = Literal[
    "status",
    "redirect",
    "gone",
    "throttled",
    "timeout",
    "connect",
    "tls",
    "dns",
    "reset",
    "oversize",
    "egress_blocked",
    "credential",
]
ReplayKind = Literal["", "manual", "recover"]


class EndpointFound(Event, frozen=True, kw_only=True):
    """Something is to be delivered to this origin (scheme, host and port) for the first time."""

    TYPE: ClassVar[str] = "webhook.endpoint_found"
    org_id: str
    origin: str


class EndpointClaimed(Event, frozen=True, kw_only=True):
    """From here on this process serves the endpoint, for as long as it lives; ``owner`` is its name."""

    TYPE: ClassVar[str] = "webhook.endpoint_claimed"
    owner: str


class DeliveryAttempted(Event, frozen=True, kw_only=True):
    """One request was made, or refused by ourselves. ``failure`` is empty where the receiver took the message.

    ``next_attempt_at`` is when it is tried again; without it, and with a failure, the message is given up (a dead
    letter). ``body_sha256`` is hex, of the bytes that were sent. ``detail`` tells a person why, without secrets.
    """

    TYPE: ClassVar[str] = "webhook.delivery_attempted"
    message_id: str
    message_type: str
    about: str
    """Id of the call, chat or session."""
    event_id: str
    url: str
    """Without its query."""
    attempt: int
    started_at: datetime
    total_ms: float
    body_sha256: str
    request_bytes: int
    failure: Failure | Literal[""] = ""
    status: int | None = None
    response_bytes: int = 0
    detail: str = ""
    replay: ReplayKind = ""
    next_attempt_at: datetime | None = None


class MessageExpired(Event, frozen=True, kw_only=True):
    """A message was not sent any more: by now it would tell the receiver nothing."""

    TYPE: ClassVar[str] = "webhook.message_expired"
    message_id: str
    message_type: str
    about: str
    event_id: str


class EndpointDisabled(Event, frozen=True, kw_only=True):
    """Nothing is sent here until it is enabled again; what comes up meanwhile is held."""

    TYPE: ClassVar[str] = "webhook.endpoint_disabled"
    reason: Literal["failing", "gone", "asked"]


class EndpointEnabled(Event, frozen=True, kw_only=True):
    """Deliveries go on, beginning with what was held."""

    TYPE: ClassVar[str] = "webhook.endpoint_enabled"


class ReplayRequested(Event, frozen=True, kw_only=True):
    """These messages are to be sent again, the very bytes under the very ids."""

    TYPE: ClassVar[str] = "webhook.replay_requested"
    message_ids: tuple[str, ...]
    kind: Literal["manual", "recover"]


class OutboxStarted(Event, frozen=True, kw_only=True):
    """The installation delivers messages from here on. ``after`` are positions (``shard:ordinal``), one of each shard:
    events up to there happened when nothing was delivered, and are told to nobody."""

    TYPE: ClassVar[str] = "outbox.started"
    after: tuple[str, ...]


EVENTS: tuple[type[Event], ...] = (
    OutboxStarted,
    EndpointFound,
    EndpointClaimed,
    DeliveryAttempted,
    MessageExpired,
    EndpointDisabled,
    EndpointEnabled,
    ReplayRequested,
)

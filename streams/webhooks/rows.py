"""What the outbox is made of: a message to be delivered, and what came of one. Carried as rows by any runner."""

from __future__ import annotations

from typing import Final

import msgspec

from domain.server_messages.selection import Patience
from domain.server_messages.server import Server

MESSAGES: Final = "webhook-messages"
"""Rows are ``(Message,)``."""
OUTCOMES: Final = "webhook-outcomes"
"""Rows are ``(Outcome,)``."""
FOUND: Final = "webhook-endpoints"
"""Rows are ``(endpoint id, org id)``."""
CLAIMS: Final = "webhook-claims"
"""Rows are ``(endpoint id, owner)``."""
SWITCHES: Final = "webhook-switches"
"""Rows are ``(endpoint id, whether it is in use, ms since 1970)``."""
REPLAYS: Final = "webhook-replays"
"""Rows are ``(message id, kind, ms since 1970)``."""


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message, rendered once: these very bytes are sent at every attempt. Times are ms since 1970.

    ``wait_ms`` holds it back in case a fuller one comes under the same id, which then takes its place.
    """

    id: str
    org_id: str
    endpoint_id: str
    origin: str
    about: str
    type: str
    patience: Patience
    event_id: str
    happened_ms: int
    body: bytes
    server: Server
    wait_ms: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt came to. ``next_ms`` is when the next one is due, and 0 where there is none.

    ``attempt`` is 0 for a message that was let go unsent.
    """

    message_id: str
    endpoint_id: str
    attempt: int
    failure: str
    status: int | None
    at_ms: int
    total_ms: float = 0.0
    next_ms: int
    detail: str

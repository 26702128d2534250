"""A message as it will be sent: its bytes, made once, and the id that it keeps."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from domain.event import Recorded
from domain.server_messages.selection import patience_of
from domain.server_messages.server import Server
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id, message_id
from streams.webhooks.rows import Message

BODY_BYTES: Final = 1 << 20
"""A larger message loses the longest parts of its artifact."""

Json = dict[str, Any]


def rendered(
    fields: Json, recorded: Recorded, *, org_id: str, server: Server, source: str, wait_ms: int = 0
) -> Message:
    """The message with these ``fields``. ``source`` tells it apart from every other one to the same endpoint."""
    origin = origin_of(server.url)
    endpoint = endpoint_id(org_id, origin)
    happened_ms = round(recorded.time.timestamp() * 1000)
    kind = fields["type"]
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
        body=bounded_body({**fields, "timestamp": happened_ms}),
        server=server,
        wait_ms=wait_ms,
    )


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

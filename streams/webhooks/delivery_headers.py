"""The headers that every message has, whoever it goes to."""

from __future__ import annotations

from domain.webhook.signature import endpoint_key, standard_signature


def own_headers(
    secret: bytes, version: str, *, id: str, endpoint_id: str, event_id: str, about: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Identity and signature of a message; ``secret`` is the installation's, ``timestamp`` that of this attempt (s)."""
    key = endpoint_key(secret, endpoint_id)
    event = {"callfold-event-id": event_id} if event_id else {}
    return {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": f"callfold-webhooks/{version}",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard_signature((key,), id, timestamp, body),
        **event,
        "callfold-call-id": about,
    }

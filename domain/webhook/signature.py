"""Message ids, and signatures that prove a message is ours: Standard Webhooks 1.0.0, and Vapi's HMAC plans.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("5d5f4f0e-52c6-5b7a-9f2c-6f5d9a3c1e07")
_PLACEHOLDER: Final = re.compile(r"\{(body|timestamp|method|url|svix-id)\}")
_REMEMBERED: Final = 4_096
"""Endpoints whose ids and keys need not be worked out again for each message."""
_ALGORITHMS: Final = ("sha256", "sha512", "sha1")


class PlanUnusable(Exception):
    """An HMAC plan that nothing can be signed with; the message names the field."""


@lru_cache(_REMEMBERED)
def endpoint_id(org_id: str, origin: str) -> str:
    """The id of an endpoint: the same for the same organisation and origin, on every node."""
    return str(uuid5(_NAMESPACE, f"{org_id}\0{origin}"))


def message_id(endpoint: str, source: str) -> str:
    """The id under which a message is sent, at every attempt. ``source`` is the event, and which of its messages."""
    return "msg_" + sha256(f"{endpoint}\0{source}".encode()).hexdigest()[:32]


@lru_cache(_REMEMBERED)
def endpoint_key(secret: bytes, endpoint: str) -> bytes:
    """The endpoint's signing key, 32 bytes: made from the installation's ``secret``, never shared by two endpoints."""
    return hmac.digest(secret, b"webhook-signing\0" + endpoint.encode(), sha256)


def shown_key(key: bytes) -> str:
    """A key as receivers are given it."""
    return "whsec_" + b64encode(key).decode()


def standard_signature(keys: Sequence[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` header: one entry for each key, the newest first."""
    begins = f"{id}.{timestamp}.".encode()
    return " ".join(["v1," + b64encode(_authenticated(key, begins, body)).decode() for key in keys])


def _authenticated(key: bytes, begins: bytes, body: bytes) -> bytes:
    code = _keyed(key).copy()
    code.update(begins)
    code.update(body)
    return code.digest()


@lru_cache(_REMEMBERED)
def _keyed(key: bytes) -> hmac.HMAC:
    """Half the work of authenticating a short message is in its key."""
    return hmac.new(key, digestmod=sha256)


def hmac_headers(
    plan: Mapping[str, Any], *, id: str, timestamp: int, method: str, url: str, body: bytes
) -> dict[str, str]:
    """The headers of a credential's HMAC plan, https://docs.vapi.ai/server-url/server-authentication.

    Raises ``PlanUnusable``. Placeholders are put in once, so that a body which holds one changes nothing.
    """
    algorithm = plan.get("algorithm") or "sha256"
    if algorithm not in _ALGORITHMS:
        raise PlanUnusable(f"algorithm {algorithm!r} is none of {', '.join(_ALGORITHMS)}")
    timed = plan.get("includeTimestamp") is not False
    form = plan.get("payloadFormat") or ("{timestamp}.{body}" if timed else "{body}")
    values = {
        "body": body,
        "timestamp": str(timestamp).encode(),
        "method": method.encode(),
        "url": url.encode(),
        "svix-id": id.encode(),
    }
    parts, at = [], 0
    for placeholder in _PLACEHOLDER.finditer(form):
        parts += [form[at : placeholder.start()].encode(), values[placeholder.group(1)]]
        at = placeholder.end()
    content = b"".join([*parts, form[at:].encode()])
    digest = hmac.digest(_key(plan), content, algorithm)
    text = b64encode(digest).decode() if plan.get("signatureEncoding") == "base64" else digest.hex()
    headers = {str(plan.get("signatureHeader") or "x-signature"): f"{plan.get('signaturePrefix') or ''}{text}"}
    if timed:
        headers[str(plan.get("timestampHeader") or "x-timestamp")] = str(timestamp)
    if plan.get("messageIdHeader"):
        headers[str(plan["messageIdHeader"])] = id
    return headers


def _key(plan: Mapping[str, Any]) -> bytes:
    secret = plan.get("secretKey")
    if not isinstance(secret, str) or not secret:
        raise PlanUnusable("secretKey is missing")
    if plan.get("secretIsBase64") is not True:
        return secret.encode()
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError as error:
        raise PlanUnusable("secretKey is not Base64, as secretIsBase64 says") from error

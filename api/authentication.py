"""Who is asking: a bearer key opens exactly one organisation, the operator token opens the installation."""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from api.errors import MISSING_KEY, WRONG_KEY, Problem, unauthorized
from domain.log.ports import Clock, Documents
from domain.organization.events import KeyTag

KNOWN_KEY_SECONDS: Final = 5.0
"""How long a revoked key may still open doors on a node that has just seen it."""
UNKNOWN_KEY_SECONDS: Final = 1.0
CACHED_KEYS: Final = 10_000
_JSON_WEB_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


@dataclass(frozen=True)
class Principal:
    """The organisation behind a key, which key it was and of which kind, and the shard that holds its events."""

    org_id: str
    tag: KeyTag
    shard: int
    key_id: str


class KeyRing:
    """Finds the organisation of a key by the key's SHA-256, remembering recent answers for a moment."""

    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[datetime, Principal | None]] = OrderedDict()

    def open(self, key: str) -> Principal | None:
        """The principal of ``key``, or ``None`` for a key that opens nothing."""
        key_hash = sha256(key.encode()).hexdigest()
        now = self._clock()
        remembered = self._remembered.get(key_hash)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        principal = self._look_up(key_hash)
        seconds = KNOWN_KEY_SECONDS if principal else UNKNOWN_KEY_SECONDS
        self._remembered[key_hash] = (now + timedelta(seconds=seconds), principal)
        self._remembered.move_to_end(key_hash)
        if len(self._remembered) > CACHED_KEYS:
            self._remembered.popitem(last=False)
        return principal

    def _look_up(self, key_hash: str) -> Principal | None:
        document = self._documents.find_key(key_hash)
        if document is None:
            return None
        for key in document.state.keys:
            if key.hash == key_hash:
                return Principal(org_id=document.id, tag=key.tag, shard=document.state.shard or 0, key_id=key.id)
        return None


def authenticate(ring: KeyRing, authorization: str | None, required: KeyTag = "private") -> Principal:
    """The principal of an ``Authorization`` header. Raises ``Problem`` 401."""
    principal = ring.open(bearer(authorization))
    if principal is None or principal.tag != required:
        raise unauthorized(WRONG_KEY, detail=f"Send the organization's {required} key as Authorization: Bearer <key>.")
    return principal


def bearer(authorization: str | None) -> str:
    """The credential of a bearer header. Raises ``Problem`` 401 for a missing or malformed one, and for a JWT."""
    if not authorization:
        raise unauthorized(MISSING_KEY, detail="Send Authorization: Bearer <private key>.")
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise unauthorized(
            "The Authorization header is not of the form Bearer <key>.",
            detail="Send Authorization: Bearer <private key>.",
        )
    if _JSON_WEB_TOKEN.fullmatch(credential):
        raise unauthorized(
            "JSON Web Tokens are not accepted: they are signed with the private key, of which only a hash is stored.",
            detail="Send the private key itself as Authorization: Bearer <private key>.",
        )
    return credential


def authenticate_operator(operator_token: str | None, authorization: str | None) -> None:
    """Let the operator's token pass. Raises ``Problem``: 404 where no token is configured, else 401."""
    if not operator_token:
        raise Problem(
            404,
            "The operator routes are switched off.",
            detail="Configure an operator token and restart the server to use them.",
            code="NOT_FOUND",
        )
    presented = bearer(authorization)
    if not hmac.compare_digest(operator_token.encode(), presented.encode("utf-8", "surrogateescape")):
        raise unauthorized("This is not the operator token.", detail="Send the operator token of this installation.")

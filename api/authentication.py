"""Who is asking: a key or a signed token opens exactly one organisation, the operator token opens the installation."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from api.errors import MISSING_KEY, WRONG_KEY, Problem, unauthorized
from api.web_tokens import looks_signed, read_token
from domain.log.ports import Clock, Documents
from domain.organization.events import KeyRestrictions, KeyTag
from domain.organization.state import Limits, Organization

KNOWN_KEY_SECONDS: Final = 5.0
"""How long a revoked key may still open doors on a node that has just seen it."""
UNKNOWN_KEY_SECONDS: Final = 1.0
CACHED_KEYS: Final = 10_000


@dataclass(frozen=True)
class Principal:
    """The organisation behind a credential, of which kind that is, and the shard that holds the organisation's events.

    ``key_id`` is the key that was shown, or that signed the token that was shown. ``restrictions`` are those of a
    public key or token, ``limits`` the organisation's own.
    """

    org_id: str
    tag: KeyTag
    shard: int
    key_id: str
    restrictions: KeyRestrictions | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a credential opens, as it was found at one moment and may be said again until another."""

    found_at: datetime
    until: datetime
    principal: Principal | None

    def holds(self, now: datetime) -> bool:
        """Not before it was found either: then the clock was set back, and ``until`` says nothing any more."""
        return self.found_at <= now < self.until


class KeyRing:
    """Finds the organisation behind a credential, remembering recent answers for a moment.

    A key is found by its SHA-256, a token by the organisation it names and the private keys of that; ``secret`` is the
    installation's, which those are made from.
    """

    def __init__(self, documents: Documents, clock: Clock, secret: bytes) -> None:
        self._documents = documents
        self._clock = clock
        self._secret = secret
        self._remembered: OrderedDict[str, _Answer] = OrderedDict()

    def open(self, credential: str) -> Principal | None:
        """The principal of ``credential``, or ``None`` for one that opens nothing."""
        credential_hash = sha256(credential.encode()).hexdigest()
        now = self._clock()
        remembered = self._remembered.get(credential_hash)
        if remembered is not None and remembered.holds(now):
            return remembered.principal
        if looks_signed(credential):
            principal, until = self._look_up_token(credential, now)
        else:
            principal, until = self._look_up_key(credential_hash), datetime.max.replace(tzinfo=now.tzinfo)
        seconds = KNOWN_KEY_SECONDS if principal else UNKNOWN_KEY_SECONDS
        self._remembered[credential_hash] = _Answer(now, min(until, now + timedelta(seconds=seconds)), principal)
        self._remembered.move_to_end(credential_hash)
        if len(self._remembered) > CACHED_KEYS:
            self._remembered.popitem(last=False)
        return principal

    def _look_up_key(self, key_hash: str) -> Principal | None:
        document = self._documents.find_key(key_hash)
        if document is None:
            return None
        for key in document.state.keys:
            if key.hash == key_hash:
                return _in_force(document.state, key.tag, key.id, key.restrictions)
        return None

    def _look_up_token(self, credential: str, now: datetime) -> tuple[Principal | None, datetime]:
        """The principal, and until when the answer may be remembered at most."""
        token = read_token(credential, self._documents, self._secret, now)
        if token is None:
            return None, datetime.max.replace(tzinfo=now.tzinfo)
        return _in_force(token.organization, token.tag, token.key_id, token.restrictions), token.expires


def _in_force(
    organization: Organization, tag: KeyTag, key_id: str, restrictions: KeyRestrictions | None
) -> Principal | None:
    """Restrictions concern public keys only; one that is switched off opens nothing."""
    held = restrictions if tag == "public" else None
    if held is not None and not held.enabled:
        return None
    return Principal(
        org_id=organization.id,
        tag=tag,
        shard=organization.shard or 0,
        key_id=key_id,
        restrictions=held,
        limits=organization.limits,
    )


def authenticate(ring: KeyRing, authorization: str | None, required: KeyTag = "private") -> Principal:
    """The principal of an ``Authorization`` header. Raises ``Problem`` 401."""
    principal = ring.open(bearer(authorization))
    if principal is None or principal.tag != required:
        raise unauthorized(
            WRONG_KEY,
            detail=f"Send the organization's {required} key as Authorization: Bearer <key>, or a JSON Web Token for "
            f"{required} use that is in force and signed (HS256) with a private key which this server has issued.",
        )
    return principal


def bearer(authorization: str | None) -> str:
    """The credential of a bearer header. Raises ``Problem`` 401 for a missing or malformed one."""
    if not authorization:
        raise unauthorized(MISSING_KEY, detail="Send Authorization: Bearer <private key>.")
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise unauthorized(
            "The Authorization header is not of the form Bearer <key>.",
            detail="Send Authorization: Bearer <private key>.",
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

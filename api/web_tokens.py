"""JSON Web Tokens (RFC 7519) that an organisation signs with its private key, to hand out instead of a key.

Vapi's form of them is described at https://docs.vapi.ai/customization/jwt-authentication: HS256, with the claims
``orgId`` and ``token: {tag, restrictions}``, and ``exp`` as the signer likes. No key is kept, so the organisation's
private keys are made again from the installation's secret. Whatever is wrong with a token, the answer is the same, and
an organisation that does not exist costs as much as one whose key did not sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import msgspec
from pydantic import ValidationError

from api.models.token import TokenRestrictions, restrictions_of
from domain.keys import format_key, hash_key, key_random
from domain.log.ports import Documents
from domain.organization.events import KeyRestrictions, KeyTag
from domain.organization.state import Organization

LONGEST_TOKEN: Final = 8192
CLOCK_SKEW: Final = timedelta(seconds=30)
"""How far the clock of a signer may be from ours: a token is taken that much before ``nbf`` and after ``exp``."""
ALGORITHMS: Final = ["HS256"]
"""What a token may say it is signed by: nothing else, so none can choose to be checked in another way."""
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
_FOREVER: Final = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp())
_UNJUDGED: Final[Any] = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
"""Times are judged here, by the clock of the server; nothing else than the claims above is looked at."""
_NOBODYS_KEY: Final = "the key of an organization that does not exist"


@dataclass(frozen=True)
class WebToken:
    """What a valid token says. ``key_id`` is the private key that signed it; a token without
    ``exp`` ``expires`` in the year 9000."""

    organization: Organization
    key_id: str
    tag: KeyTag
    restrictions: KeyRestrictions | None
    expires: datetime


def looks_signed(credential: str) -> bool:
    """Whether a credential has the three parts of a signed token, which no key of ours has."""
    return _SHAPE.fullmatch(credential) is not None


def read_token(credential: str, documents: Documents, secret: bytes, now: datetime) -> WebToken | None:
    """The token if it is in force at ``now``, else ``None``."""
    if len(credential) > LONGEST_TOKEN:
        return None
    org_id = _named_organization(credential)
    document = documents.get("organization", org_id, org_id=org_id) if org_id else None
    organization: Organization | None = document.state if document is not None else None
    for key_id, key in _private_keys(organization, secret):
        claims = _verified(credential, key)
        if claims is not None and organization is not None:
            return _judged(claims, organization, key_id, now)
    return None


def _private_keys(organization: Organization | None, secret: bytes) -> Iterator[tuple[str, str]]:
    """The keys that may have signed, by their ids; where there is none, one that has signed nothing."""
    known = False
    for key in organization.keys if organization is not None else ():
        if key.tag != "private":
            continue
        made = format_key("private", key_random(secret, "private", key.id))
        # Keys from before, or from under another secret, cannot be made again.
        if hash_key(made) == key.hash:
            known = True
            yield key.id, made
    if not known:
        yield "", _NOBODYS_KEY


def _named_organization(credential: str) -> str:
    try:
        claims = msgspec.json.decode(jwt.utils.base64url_decode(credential.split(".")[1]))
    except (ValueError, RecursionError):
        return ""
    org_id = claims.get("orgId") if isinstance(claims, dict) else None
    return org_id if isinstance(org_id, str) else ""


def _verified(credential: str, key: str) -> Mapping[str, Any] | None:
    try:
        claims: dict[str, Any] = jwt.decode(credential, key, algorithms=ALGORITHMS, options=_UNJUDGED)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return claims


def _judged(claims: Mapping[str, Any], organization: Organization, key_id: str, now: datetime) -> WebToken | None:
    token = claims.get("token")
    expires, begins = _instant(claims.get("exp", _FOREVER)), _instant(claims.get("nbf", 0))
    if expires is None or begins is None or not begins - CLOCK_SKEW <= now < expires + CLOCK_SKEW:
        return None
    if not isinstance(token, dict) or token.get("tag") not in ("public", "private"):
        return None
    sent = token.get("restrictions")
    try:
        if sent is not None:
            TokenRestrictions.model_validate(sent)
    except ValidationError:
        return None
    return WebToken(
        organization=organization,
        key_id=key_id,
        tag=token["tag"],
        restrictions=restrictions_of(sent),
        expires=expires + CLOCK_SKEW,
    )


def _instant(value: object) -> datetime | None:
    """A NumericDate of RFC 7519; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None

"""How a tenant's server knows us: the header that a stored credential, or the old inline secret, asks for.

https://docs.vapi.ai/server-url/server-authentication. OAuth 2.0 tokens (RFC 6749, client credentials) are kept until a
minute before they run out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from domain.configuration.state import ActiveConfiguration
from domain.egress import EgressBlocked, check_url
from domain.log.ports import Documents
from domain.sealing import NoSeal, Seal, SealBroken, opened
from domain.server_messages.access import Authentication, CredentialUnusable
from domain.webhook.signature import PlanUnusable, hmac_headers

EARLY: Final = timedelta(seconds=60)
DEFAULT_LIFETIME_SECONDS: Final = 300.0
LONGEST_LIFETIME_SECONDS: Final = 86_400.0
"""Whatever a token server says: a mistake of it is to be over some day."""
TOKEN_SECONDS: Final = 10.0
TOKEN_BYTES: Final = 64 << 10


class Sessions(Protocol):
    """Guarded HTTP clients: one for each organisation, so that none uses a connection of another."""

    def of(self, org_id: str) -> aiohttp.ClientSession: ...


@dataclass(frozen=True)
class Signed:
    """What there is to authenticate."""

    id: str
    timestamp: int
    url: str
    body: bytes
    method: str = "POST"


@dataclass(frozen=True)
class _Token:
    """One that was granted for this version of its credential."""

    version: int
    text: str
    until: datetime


@dataclass
class Credentials:
    """Of all organisations, as they are stored now: one that was rotated is used from the next request on.

    ``seal`` is what their secrets are stored under.
    """

    documents: Documents
    sessions: Sessions
    clock: Callable[[], datetime]
    seal: Seal = field(default_factory=NoSeal)
    _tokens: dict[str, _Token] = field(default_factory=dict)
    _asking: dict[str, asyncio.Lock] = field(default_factory=dict)
    """Both by credential."""

    async def headers(self, org_id: str, credential_id: str, secret: str, signed: Signed) -> Authentication:
        """What authenticates a request. Raises ``CredentialUnusable``."""
        if not credential_id:
            return Authentication(
                {"x-vapi-secret": self._opened(org_id, secret, "the server's secret")} if secret else {}
            )
        document = self.documents.get("credential", credential_id, org_id=org_id)
        if document is None or not isinstance(document.state, ActiveConfiguration):
            raise CredentialUnusable(f"credential {credential_id} does not exist")
        plan = self._opened(org_id, document.state.config.get("authenticationPlan"), f"credential {credential_id}")
        if not isinstance(plan, Mapping):
            raise CredentialUnusable(f"credential {credential_id} has no authenticationPlan")
        match plan.get("type"):
            case "bearer":
                return Authentication(_bearer(plan))
            case "oauth2":
                token = await self._token(org_id, credential_id, document.version, plan)
                return Authentication({"Authorization": f"Bearer {token}"}, renewable=True)
            case "hmac":
                try:
                    return Authentication(
                        hmac_headers(
                            plan,
                            id=signed.id,
                            timestamp=signed.timestamp,
                            method=signed.method,
                            url=signed.url,
                            body=signed.body,
                        )
                    )
                except PlanUnusable as fault:
                    raise CredentialUnusable(f"credential {credential_id}: {fault}") from fault
            case kind:
                raise CredentialUnusable(f"credential {credential_id} has an authenticationPlan of type {kind!r}")

    def _opened(self, org_id: str, value: Any, what: str) -> Any:
        try:
            return opened(value, org_id, self.seal)
        except SealBroken as broken:
            raise CredentialUnusable(f"{what} is sealed: {broken}") from broken

    def forget(self, credential_id: str) -> None:
        """Ask for a new token next time."""
        self._tokens.pop(credential_id, None)

    async def _token(self, org_id: str, credential_id: str, version: int, plan: Mapping[str, Any]) -> str:
        async with self._asking.setdefault(credential_id, asyncio.Lock()):
            known = self._tokens.get(credential_id)
            if known is not None and known.version == version and self.clock() < known.until:
                return known.text
            text, lifetime = await self._granted(org_id, plan)
            self._tokens[credential_id] = _Token(version, text, self.clock() + timedelta(seconds=lifetime) - EARLY)
            return text

    async def _granted(self, org_id: str, plan: Mapping[str, Any]) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "client_id": plan.get("clientId"), "scope": plan.get("scope")}
        form["client_secret"] = plan.get("clientSecret")
        data = {name: str(value) for name, value in form.items() if value}
        try:
            check_url(str(plan.get("url")))
            async with (
                asyncio.timeout(TOKEN_SECONDS),
                self.sessions.of(org_id).post(
                    str(plan.get("url")), data=data, headers={"accept": "application/json"}, allow_redirects=False
                ) as answer,
            ):
                body = await answer.content.read(TOKEN_BYTES)
                if answer.status != 200:
                    raise CredentialUnusable(f"the token server answered {answer.status}")
                granted = msgspec.json.decode(body)
                return str(granted["access_token"]), _lifetime_seconds(granted.get("expires_in"))
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise CredentialUnusable("the token server's answer has no access_token") from error
        except EgressBlocked as blocked:
            raise CredentialUnusable(str(blocked)) from blocked
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CredentialUnusable(f"the token server could not be asked: {type(error).__name__}") from error


def _lifetime_seconds(said: Any) -> float:
    """How long a token is kept by what its server says of it, which may be nothing, or no number."""
    try:
        seconds = float(said)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIFETIME_SECONDS
    return min(seconds, LONGEST_LIFETIME_SECONDS) if seconds > 0 else 0.0


def _bearer(plan: Mapping[str, Any]) -> dict[str, str]:
    token = plan.get("token")
    if not isinstance(token, str) or not token:
        raise CredentialUnusable("the bearer plan has no token")
    prefixed = plan.get("bearerPrefixEnabled") is not False
    return {str(plan.get("headerName") or "Authorization"): f"Bearer {token}" if prefixed else token}

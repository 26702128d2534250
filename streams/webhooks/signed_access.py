"""Requests to tenants' servers authenticated: our signature, the stored credential, the tenant's own headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from domain.log.ports import Clock
from domain.server_messages.access import Authentication, CredentialUnusable, Outgoing
from domain.server_messages.server import Server
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id
from streams.webhooks.credentials import Credentials, Signed
from streams.webhooks.delivery_headers import own_headers

_RESERVED: Final = ("webhook-", "callfold-")
_FIXED: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "content-type", "traceparent", "tracestate"}
)


@dataclass(frozen=True)
class SignedAccess:
    """``ServerAccess``. ``secret`` is the installation's: endpoints' signing keys are made from it."""

    credentials: Credentials
    secret: bytes
    version: str
    clock: Clock

    async def headers(self, org_id: str, server: Server, request: Outgoing) -> Authentication:
        """As ``ServerAccess.headers``. Configured headers win over the credential's, neither replaces our own."""
        if server.encrypts:
            raise CredentialUnusable("encryptedPaths is not built yet, and nothing is sent in the clear instead")
        timestamp = int(self.clock().timestamp())
        headers = self._own(org_id, server, request, timestamp) if request.ours else {}
        if not (server.credential_id or server.secret or server.headers):
            return Authentication(headers)
        signed = Signed(request.id, timestamp, server.url, request.body, request.method)
        proof = await self.credentials.headers(org_id, server.credential_id, server.secret, signed)
        given = {name: text for name, text in server.headers.items() if _may_set(name, text)}
        spelt = {known.lower(): known for known in headers}
        for source in (proof.headers, given):
            for name, text in source.items():
                headers.pop(spelt.get(name.lower(), name), None)
                headers[name] = text
                spelt[name.lower()] = name
        return Authentication(headers, proof.renewable)

    def _own(self, org_id: str, server: Server, request: Outgoing, timestamp: int) -> dict[str, str]:
        return own_headers(
            self.secret,
            self.version,
            id=request.id,
            endpoint_id=endpoint_id(org_id, origin_of(server.url)),
            event_id=request.event_id,
            about=request.about,
            timestamp=timestamp,
            body=request.body,
        )

    def renew(self, credential_id: str) -> None:
        """As ``ServerAccess.renew``."""
        self.credentials.forget(credential_id)


def _may_set(name: str, text: str) -> bool:
    lowered = name.lower()
    plain = name.isascii() and not any(mark in f"{name}{text}" for mark in "\r\n\0")
    return plain and lowered not in _FIXED and not lowered.startswith(_RESERVED)

"""How a tenant's server knows that it is us who asks: what is to be authenticated, and the port to whoever can."""

from __future__ import annotations

from typing import Protocol

import msgspec

from domain.server_messages.server import Server


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request before it is authenticated. ``id`` is the same at every repetition, ``about`` the call or chat that
    it belongs to, ``event_id`` names the event that it tells of, where it tells of one."""

    id: str
    about: str
    event_id: str = ""
    body: bytes = b""
    method: str = "POST"
    ours: bool = True
    """Whether it is one of our messages, with its id and our signature; else only the credential goes along."""


class Authentication(msgspec.Struct, frozen=True, gc=False):
    """Headers of one request; ``renewable`` where a refusal (401) may be cured by ``ServerAccess.renew``."""

    headers: dict[str, str]
    renewable: bool = False


class CredentialUnusable(Exception):
    """No request can be authenticated with it; the message says why, without the secret."""


class ServerAccess(Protocol):
    """Authenticates requests to the servers of all organisations."""

    async def headers(self, org_id: str, server: Server, request: Outgoing) -> Authentication:
        """Every header of the request but those of its content. Raises ``CredentialUnusable``."""

    def renew(self, credential_id: str) -> None:
        """Ask for a new token next time: the last one was refused."""


class InlineAccess:
    """``ServerAccess`` where no credentials are stored: the configured headers and the old inline secret."""

    async def headers(self, org_id: str, server: Server, request: Outgoing) -> Authentication:
        """As ``ServerAccess.headers``."""
        if server.credential_id:
            raise CredentialUnusable(f"credential {server.credential_id} cannot be looked up here")
        headers = dict(server.headers)
        if server.secret and not any(name.lower() == "x-vapi-secret" for name in headers):
            headers["x-vapi-secret"] = server.secret
        return Authentication(headers)

    def renew(self, credential_id: str) -> None:
        """There are no tokens."""

"""Questions to a tenant's servers while a conversation runs: whom to ask, how it knows us, and what came back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from domain.server_messages.access import CredentialUnusable, Outgoing, ServerAccess
from domain.server_messages.server import DEFAULT_TIMEOUT_SECONDS, Server, most_specific
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id, message_id
from media.egress.client import HttpClient
from media.tools.asking import Question, Reply, ask
from media.tools.outcome import Failed


class TenantServers:
    """Of one conversation. ``client`` must be guarded; ``about`` is the id of the call or chat, ``fallback`` the server
    of its phone number or organisation, for what neither a tool nor an assistant sends elsewhere."""

    def __init__(
        self,
        client: HttpClient,
        access: ServerAccess,
        *,
        org_id: str,
        about: str,
        now: Callable[[], datetime],
        fallback: Server | None = None,
    ) -> None:
        self._client = client
        self._access = access
        self._org_id = org_id
        self._about = about
        self._now = now
        self._fallback = fallback

    def find(
        self, *holders: Mapping[str, Any] | None, default_timeout_s: float = DEFAULT_TIMEOUT_SECONDS
    ) -> Server | None:
        """The server of the first holder that names one (tool, then assistant), else the fallback, else ``None``."""
        return most_specific(*holders, default_timeout_seconds=default_timeout_s) or self._fallback

    def timestamp_ms(self) -> int:
        """The ``timestamp`` of a message that is made now."""
        return round(self._now().timestamp() * 1000)

    async def headers(
        self, server: Server, source: str, body: bytes = b"", method: str = "POST", *, ours: bool = True
    ) -> dict[str, str]:
        """What authenticates one request that is made elsewhere; ``ours`` is as in ``Outgoing``.

        Raises ``CredentialUnusable``."""
        request = Outgoing(id=self._id(server, source), about=self._about, body=body, method=method, ours=ours)
        return (await self._access.headers(self._org_id, server, request)).headers

    async def ask(
        self, server: Server, message: Mapping[str, Any], *, source: str, whom: str = "The tool server"
    ) -> Reply | Failed:
        """Send a message and wait for its answer, repeated as the server's back-off plan says.

        ``source`` tells the question from all others of the conversation: repetitions have the same id and the same
        bytes. A token that was refused is renewed once.
        """
        body = msgspec.json.encode({"message": {"timestamp": self.timestamp_ms(), **message}})
        request = Outgoing(id=self._id(server, source), about=self._about, body=body)
        renewed = False
        while True:
            try:
                async with asyncio.timeout(server.timeout_seconds):
                    authentication = await self._access.headers(self._org_id, server, request)
            except TimeoutError:
                return Failed("timeout", f"{whom} could not be asked: there was no token in time.")
            except CredentialUnusable as fault:
                return Failed("refused", f"{whom} could not be asked: {fault}.")
            reply = await ask(
                self._client,
                Question(
                    method="POST",
                    url=server.url,
                    headers={"content-type": "application/json", **authentication.headers},
                    body=body,
                    timeout_s=server.timeout_seconds,
                    backoff=server.backoff,
                    whom=whom,
                ),
            )
            refused = isinstance(reply, Reply) and reply.status == 401
            if renewed or not refused or not authentication.renewable:
                return reply
            self._access.renew(server.credential_id)
            renewed = True

    def _id(self, server: Server, source: str) -> str:
        endpoint = endpoint_id(self._org_id, origin_of(server.url))
        return message_id(endpoint, f"{self._about}.{source}")

"""An id for every request, so that a client's report and our log line can be brought together."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.log.ports import IdSource

HEADER = "x-request-id"
_SCOPE_KEY = "callfold.request_id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestIdentity:
    """ASGI middleware: takes a sane ``X-Request-ID`` from the client or makes one, and puts it on the response."""

    def __init__(self, app: ASGIApp, new_id: IdSource) -> None:
        self.app = app
        self.new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = _from_client(scope) or self.new_id()
        scope[_SCOPE_KEY] = identity

        async def send_with_identity(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        await self.app(scope, receive, send_with_identity)


def request_id(scope: MutableMapping[str, Any]) -> str:
    """The id of the request in ``scope``; empty where the middleware did not run."""
    identity = scope.get(_SCOPE_KEY, "")
    return identity if isinstance(identity, str) else ""


def _from_client(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == HEADER.encode():
            text: str = value.decode("latin-1")
            return text if _ACCEPTABLE.fullmatch(text) else None
    return None

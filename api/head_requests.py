"""``HEAD``: what ``GET`` would answer, without the body (RFC 9110, section 9.3.2)."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """ASGI middleware: a ``HEAD`` is asked as a ``GET`` of which only the headers are passed on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        answered = False
        # Ranges concern GET alone (RFC 9110, section 14.2).
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]

        async def without_body(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                answered = True
            elif message.get("more_body"):
                # A stream of events has no end of its own; to it the client has gone.
                raise OSError("only the headers were asked for")

        try:
            await self.app({**scope, "method": "GET", "headers": headers}, receive, without_body)
        except (ClientDisconnect, OSError):
            if not answered:
                raise

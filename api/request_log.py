"""What was asked of this process: one line and one entry per request, without bodies, keys, queries or ids in paths."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.authentication import Principal
from api.request_identity import request_id
from domain.log.ports import Clock
from domain.wire_time import iso_ms

LOGGER: Final = logging.getLogger("callfold.requests")
KEPT_REQUESTS: Final = 10_000
UNROUTED: Final = "(no route)"
_PRINCIPAL: Final = "callfold.principal"
_HEADERS: Final = "callfold.headers"


@dataclass(frozen=True, slots=True)
class RequestEntry:
    """One answered request. ``status`` is 0 where the client went away before there was an answer."""

    time: datetime
    request_id: str
    method: str
    route: str
    status: int
    ms: float
    org_id: str
    key_id: str

    def body(self) -> dict[str, Any]:
        """As the operator reads it."""
        return {
            "time": iso_ms(self.time),
            "requestId": self.request_id,
            "method": self.method,
            "route": self.route,
            "status": self.status,
            "ms": self.ms,
            "orgId": self.org_id or None,
            "keyId": self.key_id or None,
        }


class RequestLog:
    """The latest requests of this process, in memory; the log lines are what lasts."""

    def __init__(self, kept: int = KEPT_REQUESTS) -> None:
        self._entries: deque[RequestEntry] = deque(maxlen=kept)

    def add(self, entry: RequestEntry) -> None:
        """Keep ``entry`` and forget the oldest one."""
        self._entries.append(entry)

    def newest_first(self) -> Iterator[RequestEntry]:
        """Every entry there is."""
        return reversed(self._entries)


def remember(scope: Scope, principal: Principal, headers: Mapping[str, str]) -> None:
    """Say who asks, and which headers the answer is to have whatever it is."""
    scope[_PRINCIPAL] = principal
    scope[_HEADERS] = headers


class RequestRecording:
    """ASGI middleware: writes every HTTP request down when its answer is complete."""

    def __init__(self, app: ASGIApp, log: RequestLog, clock: Clock) -> None:
        self.app = app
        self.log = log
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, begun = 0, time.perf_counter()
        came = self.clock()

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if headers := scope.get(_HEADERS):
                    MutableHeaders(scope=message).update(headers)
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        finally:
            self._note(scope, came, status, round((time.perf_counter() - begun) * 1000, 2))

    def _note(self, scope: Scope, came: datetime, status: int, ms: float) -> None:
        principal: Principal | None = scope.get(_PRINCIPAL)
        entry = RequestEntry(
            time=came,
            request_id=request_id(scope),
            method=scope["method"],
            route=_route(scope),
            status=status,
            ms=ms,
            org_id=principal.org_id if principal else "",
            key_id=principal.key_id if principal else "",
        )
        self.log.add(entry)
        level = _level(status)
        if LOGGER.isEnabledFor(level):
            body = entry.body()
            LOGGER.log(level, "request", extra={name: body[name] for name in body if name != "time"})


def _level(status: int) -> int:
    """What went well is a line only for who looks for it; there may be hundreds a second. 501 is no failure."""
    if status >= 500 and status != 501:
        return logging.WARNING
    return logging.INFO if status >= 400 else logging.DEBUG


def _route(scope: Scope) -> str:
    """The template of the path: what stands in its place may be an id, or a token."""
    if "endpoint" not in scope:
        return UNROUTED
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is not None:
        return path
    template: str = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        template = template.replace(str(value), f"{{{name}}}", 1)
    return template

"""Paths as they are meant: a base URL that ends with a slash, or a path that does, leads to the same place."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES: Final = re.compile("/{2,}")


class PlainPaths:
    """ASGI middleware: several slashes count as one, and one at the end as none.

    A redirect would do for browsers; clients of APIs do not follow it, or lose the body or the key on the way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (path := scope["path"]) != "/" and ("//" in path or path.endswith("/")):
            plain = _SLASHES.sub("/", path).rstrip("/") or "/"
            scope = {**scope, "path": plain}
        await self.app(scope, receive, send)

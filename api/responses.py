"""Responses: JSON by msgspec, with the position of the log that they reflect."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

from domain.log.position import Position

POSITION_HEADER: Final = "x-callfold-position"


def json_response(
    body: Any, *, status: int = 200, position: Position | None = None, version: int | None = None
) -> Response:
    """``position`` is how far the answer has seen the log, ``version`` the object's own (sent as a strong ETag)."""
    response = Response(msgspec.json.encode(body), status_code=status, media_type="application/json")
    if position is not None:
        response.headers[POSITION_HEADER] = str(position)
    if version is not None:
        response.headers["etag"] = f'"{version}"'
    return response

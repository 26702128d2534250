"""Responses: JSON by msgspec, with the position of the log that they reflect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domain.log.position import Position

POSITION_HEADER: Final = "x-callfold-position"
_AT_ONCE_BYTES: Final = 256 * 1024
_SENT_AT_ONCE_BYTES: Final = 64 * 1024


def json_response(
    body: Any, *, status: int = 200, position: Position | None = None, version: int | None = None
) -> Response:
    """``position`` is how far the answer has seen the log, ``version`` the object's own (sent as a strong ETag)."""
    response = Response(json_bytes(body), status_code=status, media_type="application/json")
    if position is not None:
        response.headers[POSITION_HEADER] = str(position)
    if version is not None:
        response.headers["etag"] = f'"{version}"'
    return response


def json_bytes(body: Any) -> bytes:
    """``body`` as it is sent."""
    return msgspec.json.encode(body)


def list_response(items: Sequence[bytes], metadata: Mapping[str, Any] | None, *, position: Position) -> Response:
    """A list of objects that are written already: an array, or ``{results, metadata}`` where there is ``metadata``.

    One that is long is sent a few objects at a time, so that it is nowhere copied as a whole.
    """
    opening, closing = (
        (b"[", b"]") if metadata is None else (b'{"results":[', b'],"metadata":%b}' % json_bytes(metadata))
    )
    pieces = [opening, *_with_commas(items), closing]
    size = sum(map(len, pieces))
    response = Response(b"".join(pieces)) if size <= _AT_ONCE_BYTES else _InPieces(pieces, size)
    response.headers["content-type"] = "application/json"
    response.headers[POSITION_HEADER] = str(position)
    return response


class _InPieces(Response):
    """An answer of known length whose body is sent in pieces, each when the network has taken the ones before."""

    def __init__(self, pieces: Sequence[bytes], size: int) -> None:
        super().__init__(headers={"content-length": str(size)})
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for some in _some_at_once(self._pieces):
            await send({"type": "http.response.body", "body": some, "more_body": True})
            # Where the network takes everything at once, nothing else waits for anything.
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


def _with_commas(items: Sequence[bytes]) -> Iterator[bytes]:
    for number, item in enumerate(items):
        if number:
            yield b","
        yield item


def _some_at_once(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces: sending one costs as much as copying tens of kilobytes."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _SENT_AT_ONCE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)

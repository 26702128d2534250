"""Serving stored bytes, whole, a range of them, or not again (RFC 9110, sections 13 and 14), never all in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import BinaryIO, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.errors import Problem

CHUNK_BYTES: Final = 256 * 1024
_REVALIDATED: Final = ("etag", "cache-control")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


async def stored_response(
    request: Request, opened: Callable[[], BinaryIO], *, size: int, media_type: str, headers: Mapping[str, str]
) -> Response:
    """What ``opened`` reads (``size`` bytes), as far as the request wants it. ``headers`` hold its ``etag``.

    Raises ``Problem`` 404 where it is gone and 416 for a range that begins behind the end.
    """
    etag = headers["etag"]
    if _is_known(request.headers, etag):
        return Response(status_code=304, headers={name: headers[name] for name in _REVALIDATED if name in headers})
    span = _requested_range(request.headers, size, etag)
    try:
        stream = await run_in_threadpool(opened)
    except FileNotFoundError:
        raise Problem(
            404, "The stored file is gone.", detail="Ask the operator of this server.", code="NOT_FOUND"
        ) from None
    if request.method == "HEAD":
        stream.close()
        length = {"content-length": str(size), "accept-ranges": "bytes"}
        return Response(media_type=media_type, headers={**headers, **length})
    return _bytes_response(stream, size=size, media_type=media_type, span=span, headers=headers)


def _is_known(request_headers: Headers, etag: str) -> bool:
    """Whether ``If-None-Match`` says that the client has these bytes already."""
    header = request_headers.get("if-none-match", "").strip()
    return header == "*" or etag in _TAG.findall(header)


def _requested_range(request_headers: Headers, size: int, etag: str) -> tuple[int, int] | None:
    """First and last byte of a single satisfiable range; ``None`` means everything.

    A malformed header or one that lists several ranges is ignored, as the RFC allows, and so is one that goes on with
    other bytes than those of ``etag``, by ``If-Range``. Raises ``Problem`` 416 for a range that begins behind the end.
    """
    header = request_headers.get("range", "")
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", "") or request_headers.get("if-range", etag).strip() != etag:
        return None
    first_text, last_text = match.groups()
    if first_text:
        first, last = int(first_text), min(int(last_text or size - 1), size - 1)
        if last_text and int(last_text) < first:
            return None
    else:
        first, last = max(size - int(last_text), 0), size - 1
    if first >= size:
        raise Problem(
            416,
            f"The range {header} begins behind the end of {size} bytes.",
            detail="Ask for bytes that exist, or leave out the Range header.",
            headers={"content-range": f"bytes */{size}"},
        )
    return first, last


def _bytes_response(
    stream: BinaryIO, *, size: int, media_type: str, span: tuple[int, int] | None, headers: Mapping[str, str]
) -> Response:
    """Stream ``span`` of ``stream`` (all of it for ``None``) and close it in the end."""
    first, last = span or (0, size - 1)
    length = last - first + 1
    all_headers = {**headers, "accept-ranges": "bytes", "content-length": str(length)}
    if span is not None:
        all_headers["content-range"] = f"bytes {first}-{last}/{size}"
    return StreamingResponse(
        _chunks(stream, first, length),
        status_code=206 if span is not None else 200,
        media_type=media_type,
        headers=all_headers,
    )


async def _chunks(stream: BinaryIO, first: int, length: int) -> AsyncIterator[bytes]:
    try:
        await run_in_threadpool(stream.seek, first)
        while length > 0:
            chunk = await run_in_threadpool(stream.read, min(CHUNK_BYTES, length))
            if not chunk:
                raise EOFError(f"the stored bytes end {length} bytes early")
            length -= len(chunk)
            yield chunk
    finally:
        stream.close()

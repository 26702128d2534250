"""Serving stored bytes, whole or a range of them (RFC 9110 section 14), without loading them into memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import BinaryIO, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.errors import Problem

CHUNK_BYTES: Final = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a single satisfiable range; ``None`` means everything.

    A malformed header or one that lists several ranges is ignored, as the RFC allows. Raises ``Problem`` 416 for a
    range that begins behind the end.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
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


def bytes_response(
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

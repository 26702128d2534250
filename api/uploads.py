"""Uploads (``multipart/form-data``, RFC 7578): one file within a limit, and the texts beside it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from api.errors import Issue, Problem, cut_off, invalid

_BESIDE_THE_FILE: Final = 64 * 1024
"""Bytes that boundaries and the other parts may take."""
_COPIED_AT_ONCE: Final = 1024 * 1024
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_TEXTS: Final = 8
"""The most parts that are no file."""


@dataclass(frozen=True)
class Upload:
    """A file that came in. ``path`` is a copy that the receiver may move away; ``texts`` are the other parts."""

    path: Path
    name: str
    content_type: str
    size_bytes: int
    texts: Mapping[str, str]


@asynccontextmanager
async def received(request: Request, limit_bytes: int) -> AsyncIterator[Upload]:
    """The upload of ``request`` until the block ends. Raises ``Problem``: 400, 413, 415, and 507 where the disk is
    full, also while the block keeps it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise Problem(
            415,
            f"Content-Type {media_type or '(empty)'} is not supported here.",
            detail="Send multipart/form-data with the file in its part `file`.",
        )
    try:
        async with _within(request, limit_bytes).form(max_files=1, max_fields=_TEXTS) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise invalid([Issue("FIELD_REQUIRED", "file is required", "/body/file")])
            path = await run_in_threadpool(_copy, file)
            try:
                texts = {name: value for name, value in form.items() if isinstance(value, str)}
                content_type = file.content_type or "application/octet-stream"
                yield Upload(path, file.filename or "file", content_type, file.size or 0, texts)
            finally:
                await run_in_threadpool(path.unlink, missing_ok=True)
    except ClientDisconnect:
        raise cut_off() from None
    except OSError as fault:
        if fault.errno not in _NO_SPACE:
            raise
        raise Problem(
            507,
            "The server has no space left for uploads. Nothing was kept.",
            detail="Free disk space on the server.",
            code="DISK_FULL",
        ) from fault


def _within(request: Request, limit_bytes: int) -> Request:
    """The same request, refusing to be read beyond the limit."""
    received_bytes = 0

    async def receive() -> Message:
        nonlocal received_bytes
        message = await request.receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > limit_bytes + _BESIDE_THE_FILE:
            raise Problem(
                413,
                f"The upload is larger than {limit_bytes} bytes.",
                detail=f"Send at most {limit_bytes} bytes.",
                code="BODY_TOO_LARGE",
                headers={"connection": "close"},
            )
        return message

    return Request(request.scope, receive)


def _copy(file: UploadFile) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="callfold-upload-", suffix=_suffix(file.filename))
    try:
        with os.fdopen(descriptor, "wb") as target:
            file.file.seek(0)
            while chunk := file.file.read(_COPIED_AT_ONCE):
                target.write(chunk)
    except BaseException:
        # A disk that is full would not get emptier by what was copied so far.
        os.unlink(name)
        raise
    return Path(name)


def _suffix(name: str | None) -> str:
    """The end of a file's name, if it is one that a store can keep."""
    suffix = Path(name or "").suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10 else ""

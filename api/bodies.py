"""Request bodies: read within a limit, decoded from JSON, checked against a model, and handed on as sent."""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from api.errors import Problem, bad_request, cut_off, invalid
from api.violations import issues
from domain.foreign_json import DEEPEST_NESTING, LARGEST_INTEGER, SMALLEST_INTEGER

_PARTIAL_LAYERS: Final = ("assistantOverrides", "squadOverrides", "membersOverrides", "targetOverrides")
_PARTIAL_FIELDS: Final = ("model", "voice", "transcriber")
_DISCARDED_BYTES: Final = 64 * 1024 * 1024
_DISCARDED_SECONDS: Final = 10.0


async def read_object(request: Request, limit_bytes: int, *, required: bool = True) -> dict[str, Any]:
    """The body as a JSON object. An empty body is ``{}`` unless ``required``. Raises ``Problem`` (400, 413, 415)."""
    raw = await _read(request, limit_bytes)
    if not raw.strip():
        if required:
            raise bad_request(
                "The request body is empty.",
                detail="Send a JSON object, {} at least, with Content-Type: application/json.",
                code="BODY_REQUIRED",
            )
        return {}
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise Problem(
            415,
            f"Content-Encoding {coding} is not supported in requests.",
            detail="Send the body as it is, without Content-Encoding.",
        )
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Problem(
            415,
            f"Content-Type {media_type or '(empty)'} is not supported here.",
            detail="Send JSON with Content-Type: application/json.",
        )
    try:
        body = msgspec.json.decode(raw.removeprefix(BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise bad_request(
            f"The request body is not valid JSON: {fault}.", detail="Correct the JSON text.", code="MALFORMED_JSON"
        ) from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(body, dict):
        raise bad_request(
            f"The request body must be a JSON object, not {_json_kind(body)}.",
            detail="Put the fields into one JSON object.",
            code="MALFORMED_JSON",
        )
    _check_digestible(body)
    return body


def check(model: type[BaseModel], body: dict[str, Any]) -> None:
    """Raise the ``Problem`` that lists every way in which ``body`` is not a ``model``."""
    try:
        model.model_validate(body)
    except ValidationError as fault:
        if found := findings(fault):
            raise invalid(issues(found)) from None


def findings(fault: ValidationError) -> list[ErrorDetails]:
    """What is wrong, without what is only missing because an override gives a part."""
    return [error for error in fault.errors(include_url=False, include_input=False) if not _is_partial(error)]


def _check_digestible(body: dict[str, Any]) -> None:
    """Refuse what every later reader of the log would stumble over: it could be stored, but never shown again."""
    pending: list[tuple[Any, int]] = [(body, 1)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict | list):
            if depth > DEEPEST_NESTING:
                raise _too_deep()
            inner = value.values() if isinstance(value, dict) else value
            pending.extend((item, depth + 1) for item in inner)
        elif isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            raise bad_request(
                f"The request body holds an integer of {value.bit_length()} bits.",
                detail=f"Send integers from {SMALLEST_INTEGER} to {LARGEST_INTEGER}, or text.",
                code="MALFORMED_JSON",
            )


def _too_deep() -> Problem:
    return bad_request(
        f"The request body is nested too deeply: more than {DEEPEST_NESTING} levels.",
        detail="Flatten the JSON value.",
        code="MALFORMED_JSON",
    )


def _is_partial(error: ErrorDetails) -> bool:
    """Whether something is only missing from a model, voice or transcriber that an override gives in part."""
    location: Sequence[int | str] = error["loc"]
    return (
        error["type"] == "missing"
        and len(location) > 2
        and any(layer in _PARTIAL_LAYERS and field in _PARTIAL_FIELDS for layer, field in pairwise(location))
    )


async def _read(request: Request, limit_bytes: int) -> bytes:
    too_large = Problem(
        413,
        f"The request body is larger than {limit_bytes} bytes.",
        detail=f"Send at most {limit_bytes} bytes.",
        code="BODY_TOO_LARGE",
        headers={"connection": "close"},
    )
    declared = request.headers.get("content-length", "")
    over = declared.isdecimal() and int(declared) > limit_bytes
    stream, chunks, size = request.stream(), list[bytes](), 0
    try:
        while not over and (chunk := await anext(stream, None)) is not None:
            size += len(chunk)
            over = size > limit_bytes
            chunks.append(chunk)
        if over:
            chunks.clear()
            await _discard(stream)
            raise too_large
    except ClientDisconnect:
        raise cut_off() from None
    return b"".join(chunks)


async def _discard(stream: AsyncIterator[bytes]) -> None:
    """Take what a client goes on sending, within bounds: most read the answer only when they have sent everything, and
    to those whose connection is closed meanwhile the refusal is lost."""
    left = _DISCARDED_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARDED_SECONDS):
            async for chunk in stream:
                left -= len(chunk)
                if left < 0:
                    return


def _json_kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"

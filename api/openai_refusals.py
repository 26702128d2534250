"""Refusals of the routes that OpenAI's clients use.

Those clients show people, and hand to programs, what they find in an object ``error``
(https://platform.openai.com/docs/guides/error-codes); of the name of a status they show nothing but the status. So
there ``error`` is that object. All other members are as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

PATHS: Final = frozenset({"/chat/responses", "/chat/web/responses"})

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "What is wrong, as OpenAI's clients show it.",
    "required": ["message", "type", "param", "code"],
    "properties": {
        "message": {"type": "string"},
        "type": {"type": "string", "enum": ["invalid_request_error", "rate_limit_error", "server_error"]},
        "param": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "The first field that is wrong."},
        "code": {"type": "string"},
    },
}


def error_object(status: int, message: str, code: str, pointers: Sequence[str]) -> dict[str, Any]:
    """The object. ``pointers`` are JSON Pointers to the fields that are wrong, the request's part in front."""
    return {
        "message": message,
        "type": _kind(status),
        "param": next((pointer.split("/", 2)[-1].replace("/", ".") for pointer in pointers), None),
        "code": code,
    }


def _kind(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"

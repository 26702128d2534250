"""``/file``: uploads. How they come in and out again is in ``api.routes.files``."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from api.configuration.resource import Resource
from api.models.file import FileBody, FileFilters
from domain.configuration.state import Configuration
from domain.file.aggregate import FILE
from domain.file.state import TextExtracted, TextFailed, status_of, text_of

HIDDEN: Final = frozenset({"location", "sha256"})
"""Where the bytes are is nobody's business but ours."""


def _matches(state: Configuration, filters: FileFilters) -> bool:
    purpose = state.config.get("purpose")
    return purpose == filters.purpose if filters.purpose is not None else purpose != "composer-attachment"


def _more(state: Configuration, now: datetime) -> dict[str, Any]:
    text = text_of(state)
    shown: dict[str, Any] = {"object": "file", "status": status_of(text)}
    match text:
        case TextExtracted(size_bytes=size):
            shown["parsedTextBytes"] = size
        case TextFailed(code=code, reason=reason):
            shown |= {"failureCode": code, "failureReason": reason}
    return shown


FILES: Final = Resource(
    aggregate=FILE,
    path="/file",
    noun="file",
    tag="Files",
    body=FileBody,
    filters=FileFilters,
    matches=_matches,
    always_filtered=True,
    changeable=frozenset({"name"}),
    more=_more,
    shows={
        "object": {"const": "file"},
        "status": {"enum": ["processing", "done", "failed"]},
        "url": {"type": "string", "format": "uri", "description": "Works without a key, for an hour or two."},
        "parsedTextUrl": {"type": "string", "format": "uri", "description": "The same for the text that was read."},
        "parsedTextBytes": {"type": "number"},
        "failureCode": {"type": "string"},
        "failureReason": {"type": "string", "description": "Why no text could be read."},
    },
    hidden=HIDDEN,
)

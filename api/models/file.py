"""Files that were uploaded."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from api.models.base import Closed, JsonObject, Name
from api.models.filters import ListFilters

LARGEST_METADATA = 4096
"""Characters of the JSON text beside an upload."""

UPLOAD_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"enum": ["assistant", "composer-attachment", "knowledge-base-v2"]},
        "metadata": {"type": "string", "maxLength": LARGEST_METADATA, "description": "A JSON object as text."},
    },
}
"""The parts of an upload."""

FilePurpose = Literal["assistant", "composer-attachment", "knowledge-base-v2"]


class FileBody(Closed):
    """What is kept of an upload. Only the name can be changed."""

    name: Name
    original_name: str | None = None
    bytes: Annotated[int, Field(ge=0)] | None = None
    mimetype: str | None = None
    purpose: FilePurpose | None = None
    metadata: JsonObject | None = None
    location: str | None = None
    sha256: str | None = None


class FileFilters(ListFilters):
    """``GET /file``. Without a purpose: everything except what was attached in a composer."""

    purpose: FilePurpose | None = None

"""Knowledge bases: named groups of files."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from api.models.base import Closed

ATTACHED_FILE: Final[dict[str, Any]] = {
    "knowledgeBaseV2Id": {"type": "string", "format": "uuid"},
    "fileName": {"type": "string"},
    "mimetype": {"type": "string"},
    "bytes": {"type": "number"},
    "status": {"enum": ["indexing", "ready", "failed"]},
    "failureReason": {"type": "string", "description": "Why the text of a failed file could not be read."},
}
"""What is shown of a file of a knowledge base, beside which one it is."""

KNOWLEDGE_BASE: Final[dict[str, Any]] = {
    "toolId": {"type": ["string", "null"], "format": "uuid", "description": "The tool that searches it."},
    "files": {"type": "array", "items": {"$ref": "#/components/schemas/AttachFileObject"}},
}
"""What is shown of a knowledge base that was asked for alone."""


class KnowledgeBaseBody(Closed):
    """``POST /v2/knowledge-base``."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    description: Annotated[str | None, Field(max_length=1000)] = None


class AttachFileBody(Closed):
    """``POST /v2/knowledge-base/{id}/file``."""

    file_id: str


class SearchBody(Closed):
    """``POST /v2/knowledge-base/{id}/search``."""

    query: Annotated[str, Field(min_length=1, max_length=2000)]
    limit: Annotated[int, Field(ge=1, le=20)] = 5

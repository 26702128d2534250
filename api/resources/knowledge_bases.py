"""``/v2/knowledge-base``: groups of files that a tool searches. What is done with their files is in
``api.routes.knowledge_bases``."""

from __future__ import annotations

from typing import Final

from api.configuration.resource import Resource
from api.models.knowledge_base import KNOWLEDGE_BASE as SHOWN
from api.models.knowledge_base import KnowledgeBaseBody
from domain.knowledge_base.aggregate import KNOWLEDGE_BASE

KNOWLEDGE_BASES: Final = Resource(
    aggregate=KNOWLEDGE_BASE,
    path="/v2/knowledge-base",
    noun="knowledge base",
    tag="Knowledge bases",
    body=KnowledgeBaseBody,
    shows=SHOWN,
)

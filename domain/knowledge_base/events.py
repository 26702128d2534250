"""What can happen to a knowledge base: what happens to every configuration, and files that come and go."""

from __future__ import annotations

from typing import ClassVar, Final

from domain.configuration.events import events_of
from domain.event import Event

CONFIGURED: Final = events_of("knowledge_base")
"""``knowledge_base.created`` and its like."""


class KnowledgeBaseFileAttached(Event, frozen=True, kw_only=True):
    """The file is searched with this base from now on. ``attachment_id`` names the tie between the two."""

    TYPE: ClassVar[str] = "knowledge_base.file_attached"

    file_id: str
    attachment_id: str
    actor: str = ""


class KnowledgeBaseFileDetached(Event, frozen=True, kw_only=True):
    """The file is not searched with this base any more."""

    TYPE: ClassVar[str] = "knowledge_base.file_detached"

    file_id: str
    actor: str = ""


EVENTS: Final[tuple[type[Event], ...]] = (*CONFIGURED, KnowledgeBaseFileAttached, KnowledgeBaseFileDetached)
"""Every event of knowledge bases."""

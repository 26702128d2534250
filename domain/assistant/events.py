"""What can happen to an assistant. Configuration is kept as the client sent it, so that it round-trips."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.event import Event


class AssistantCreated(Event, frozen=True, kw_only=True):
    """The first configuration, version ``v1``."""

    TYPE: ClassVar[str] = "assistant.created"
    org_id: str
    config: dict[str, Any]


class AssistantUpdated(Event, frozen=True, kw_only=True):
    """``changes`` replaces whole top-level fields; an explicit null clears one. Every update is a version."""

    TYPE: ClassVar[str] = "assistant.updated"
    changes: dict[str, Any]


class AssistantDeleted(Event, frozen=True, kw_only=True):
    """No new call can use the assistant; its history stays."""

    TYPE: ClassVar[str] = "assistant.deleted"

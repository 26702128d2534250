"""What can happen to an assistant: what can happen to any configuration."""

from __future__ import annotations

from typing import ClassVar, Final

from domain.configuration import events as configuration


class AssistantCreated(configuration.ConfigurationCreated, frozen=True, kw_only=True):
    """The first configuration, version ``v1``."""

    TYPE: ClassVar[str] = "assistant.created"


class AssistantUpdated(configuration.ConfigurationUpdated, frozen=True, kw_only=True):
    """``changes`` replaces whole top-level fields; an explicit null clears one. Every update is a version."""

    TYPE: ClassVar[str] = "assistant.updated"


class AssistantReplaced(configuration.ConfigurationReplaced, frozen=True, kw_only=True):
    """``config`` takes the place of the whole configuration."""

    TYPE: ClassVar[str] = "assistant.replaced"


class AssistantDeleted(configuration.ConfigurationDeleted, frozen=True, kw_only=True):
    """No new call can use the assistant; its history stays."""

    TYPE: ClassVar[str] = "assistant.deleted"


EVENTS: Final = configuration.ConfigurationEvents(
    created=AssistantCreated, updated=AssistantUpdated, replaced=AssistantReplaced, deleted=AssistantDeleted
)

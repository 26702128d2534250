"""The kinds of configuration that have no behaviour of their own, each with its events and its aggregate.

Assistants, files and knowledge bases are configurations too; they have folders because more happens to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from domain.aggregate import DocumentKeys
from domain.configuration.aggregate import ConfigurationAggregate, configuration, keys_of_configuration
from domain.configuration.events import ConfigurationEvents, events_of
from domain.configuration.state import Configuration

NAMES: Final = (
    "squad",
    "tool",
    "phone_number",
    "credential",
    "structured_output",
    "eval",
    "personality",
    "scenario",
    "simulation",
    "simulation_suite",
    "campaign",
    "provider_resource",
    "insight",
    "board",
    "scorecard",
)
"""In the order in which they appear in the registry of events."""


def keys_with_target(state: Configuration) -> DocumentKeys:
    """Found by the assistant it names as well, as calls are."""
    found = keys_of_configuration(state)
    target = state.config.get("assistantId")
    return DocumentKeys(
        org_id=found.org_id,
        created_at=found.created_at,
        updated_at=found.updated_at,
        deleted=found.deleted,
        reference=target if isinstance(target, str) else "",
    )


_TARGETED: Final = frozenset({"campaign"})

EVENTS: Final[Mapping[str, ConfigurationEvents]] = MappingProxyType({name: events_of(name) for name in NAMES})
"""The event types of every kind, by its name."""

CONFIGURATIONS: Final[Mapping[str, ConfigurationAggregate]] = MappingProxyType(
    {name: configuration(name, EVENTS[name], keys_with_target if name in _TARGETED else None) for name in NAMES}
)
"""The aggregate of every kind, by its name."""

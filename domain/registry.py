"""The closed registry of event types: the only classes that a name on the log can turn into.

A log must never decide what code its reader loads, so a type is found here or is refused. A new event class is added
to ``_CLASSES``; when its shape changes incompatibly its ``VERSION`` is raised and ``_UPCASTERS`` gets a step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import msgspec

from domain.assistant import events as assistant
from domain.call import events as call
from domain.chat.events import EVENTS as CHATS
from domain.configuration.kinds import EVENTS as CONFIGURATIONS
from domain.event import Event
from domain.file.events import EVENTS as FILES
from domain.knowledge_base.events import EVENTS as KNOWLEDGE_BASES
from domain.organization import events as organization
from domain.session.events import EVENTS as SESSIONS
from domain.traffic.events import EVENTS as TRAFFIC
from domain.upcasting import Upcaster
from domain.webhook.events import EVENTS as WEBHOOKS

_TYPE_NAME = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+")


class EventType(msgspec.Struct, frozen=True):
    """A registered type: its class, its current schema version, and the steps that lift older versions to it."""

    name: str
    event_class: type[Event]
    version: int
    upcasters: Mapping[int, Upcaster]

    @property
    def kind(self) -> str:
        """The kind of aggregate it belongs to: the first part of its name."""
        return kind_of(self.name)


@lru_cache(4096)
def kind_of(type_name: str) -> str:
    """``call`` for ``call.tool_called``."""
    return type_name.partition(".")[0]


def register(
    classes: Iterable[type[Event]], upcasters: Mapping[tuple[str, int], Upcaster] | None = None
) -> Mapping[str, EventType]:
    """Build a registry. Raises ``ValueError`` for a malformed or double name, or a missing or surplus upcaster."""
    steps = dict(upcasters or {})
    types: dict[str, EventType] = {}
    for event_class in classes:
        name, version = event_class.TYPE, event_class.VERSION
        if not _TYPE_NAME.fullmatch(name):
            raise ValueError(f"{event_class.__name__}.TYPE {name!r} is not of the form aggregate.past_tense")
        if name in types:
            raise ValueError(f"{name} is claimed by {types[name].event_class.__name__} and {event_class.__name__}")
        own: dict[int, Upcaster] = {}
        for older in range(1, version):
            step = steps.pop((name, older), None)
            if step is None:
                raise ValueError(f"{name} is at version {version} but nothing lifts version {older}")
            own[older] = step
        types[name] = EventType(name, event_class, version, MappingProxyType(own))
    if steps:
        raise ValueError(f"upcasters for types or versions that do not exist: {sorted(steps)}")
    return MappingProxyType(types)


_CLASSES: tuple[type[Event], ...] = (
    organization.OrganizationCreated,
    organization.OrganizationPlaced,
    organization.KeyIssued,
    organization.KeyRevoked,
    organization.KeyDescribed,
    organization.LimitsSet,
    organization.OrganizationConfigured,
    *assistant.EVENTS,
    call.CallCreated,
    call.CallRenamed,
    call.CallClaimed,
    call.CallStarted,
    call.TranscriptFinalized,
    call.TurnDecided,
    call.MessageCommitted,
    call.AssistantInterrupted,
    call.ToolCalled,
    call.ToolCompleted,
    call.ToolFailed,
    call.TurnMeasured,
    call.UsageMetered,
    call.Warned,
    call.CallControlled,
    call.ListenerJoined,
    call.ArtifactStored,
    call.AssistantActivated,
    call.VariablesSet,
    call.TransferRequested,
    call.TransferEnded,
    call.HookTriggered,
    call.VoicemailDetected,
    call.RecordingConsentAnswered,
    call.LanguageChanged,
    call.CallEnded,
    call.CallDeleted,
    call.CallDeletionFailed,
    *(event_class for events in CONFIGURATIONS.values() for event_class in events),
    *FILES,
    *KNOWLEDGE_BASES,
    *SESSIONS,
    *CHATS,
    *TRAFFIC,
    *WEBHOOKS,
)

_UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}

EVENT_TYPES: Final[Mapping[str, EventType]] = register(_CLASSES, _UPCASTERS)
"""Every event type there is, by dotted name."""

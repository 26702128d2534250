"""Every kind of aggregate there is, by the first part of its event types."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from domain.aggregate import Aggregate
from domain.assistant.aggregate import ASSISTANT
from domain.call.aggregate import CALL
from domain.chat.aggregate import CHAT
from domain.configuration.kinds import CONFIGURATIONS
from domain.file.aggregate import FILE
from domain.knowledge_base.aggregate import KNOWLEDGE_BASE
from domain.organization.aggregate import ORGANIZATION
from domain.session.aggregate import SESSION
from domain.traffic.aggregate import TRAFFIC
from domain.webhook.aggregate import ENDPOINT
from domain.webhook.outbox import OUTBOX

_ALL: tuple[Aggregate[Any, Any], ...] = (
    ORGANIZATION,
    ASSISTANT,
    CALL,
    *CONFIGURATIONS.values(),
    FILE,
    KNOWLEDGE_BASE,
    SESSION,
    CHAT,
    TRAFFIC,
    ENDPOINT,
    OUTBOX,
)

AGGREGATES: Mapping[str, Aggregate[Any, Any]] = MappingProxyType({aggregate.kind: aggregate for aggregate in _ALL})
"""``AGGREGATES["call"]`` folds every ``call.*`` event."""

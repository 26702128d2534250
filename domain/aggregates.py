"""Every kind of aggregate there is, by the first part of its event types."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from domain.aggregate import Aggregate
from domain.assistant.aggregate import ASSISTANT
from domain.call.aggregate import CALL
from domain.organization.aggregate import ORGANIZATION

AGGREGATES: Mapping[str, Aggregate[Any, Any]] = MappingProxyType(
    {aggregate.kind: aggregate for aggregate in (ORGANIZATION, ASSISTANT, CALL)}
)
"""``AGGREGATES["call"]`` folds every ``call.*`` event."""

"""An assistant is a configuration that calls are held with."""

from __future__ import annotations

from domain.assistant.events import EVENTS
from domain.configuration.aggregate import ConfigurationAggregate, configuration

ASSISTANT: ConfigurationAggregate = configuration("assistant", EVENTS)

"""What is known of an assistant: its configuration as sent, and which version of it this is."""

from __future__ import annotations

from domain.configuration.state import ActiveConfiguration, Configuration, DeletedConfiguration, version_label

ActiveAssistant = ActiveConfiguration
"""An assistant that calls can use."""

DeletedAssistant = DeletedConfiguration
"""An assistant that no call can use any more."""

Assistant = Configuration

__all__ = ["ActiveAssistant", "Assistant", "DeletedAssistant", "version_label"]

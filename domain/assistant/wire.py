"""Vapi's Assistant object, https://docs.vapi.ai/api-reference/assistants/get."""

from __future__ import annotations

from typing import Any

from domain.assistant.state import Assistant, version_label
from domain.configuration.wire import configuration_body
from domain.write_only import has_server_secret


def assistant_body(state: Assistant) -> dict[str, Any]:
    """The configuration as the client sent it, less its secrets, between what the system knows about it."""
    return {
        **configuration_body("assistant", state),
        "latestVersion": version_label(state),
        "isServerUrlSecretSet": has_server_secret(state.config),
    }

"""Vapi's Assistant object, https://docs.vapi.ai/api-reference/assistants/get."""

from __future__ import annotations

from typing import Any

from domain.assistant.state import Assistant, version_label
from domain.write_only import has_server_secret


def assistant_fields(state: Assistant) -> dict[str, Any]:
    """What is shown of an assistant beside what every configuration shows."""
    return {"latestVersion": version_label(state), "isServerUrlSecretSet": has_server_secret(state.config)}

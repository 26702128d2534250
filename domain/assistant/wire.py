"""Vapi's Assistant object, https://docs.vapi.ai/api-reference/assistants/get."""

from __future__ import annotations

from typing import Any

from domain.assistant.state import Assistant, version_label
from domain.wire_time import iso_ms
from domain.write_only import has_server_secret, without_secrets


def assistant_body(state: Assistant) -> dict[str, Any]:
    """The configuration as the client sent it, less its secrets, between what the system knows about it."""
    return {
        "id": state.id,
        "orgId": state.org_id,
        **without_secrets(state.config),
        "createdAt": iso_ms(state.created_at),
        "updatedAt": iso_ms(state.updated_at),
        "latestVersion": version_label(state),
        "isServerUrlSecretSet": has_server_secret(state.config),
    }

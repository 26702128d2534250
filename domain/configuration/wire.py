"""A configuration as clients see it: what they sent, less its secrets, between what the system knows about it."""

from __future__ import annotations

from typing import Any

from domain.configuration.state import Configuration
from domain.wire_time import iso_ms
from domain.write_only import without_secrets


def configuration_body(kind: str, state: Configuration) -> dict[str, Any]:
    """The object of ``GET``: ``id``, ``orgId``, the fields as sent, ``createdAt``, ``updatedAt``."""
    return {
        "id": state.id,
        "orgId": state.org_id,
        **without_secrets(state.config, kind),
        "createdAt": iso_ms(state.created_at),
        "updatedAt": iso_ms(state.updated_at),
    }

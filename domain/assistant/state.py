"""What is known of an assistant: its configuration as sent, and which version of it this is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class ActiveAssistant(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="active"):
    """An assistant that calls can use.

    ``config`` holds the top-level fields as the client sent them, explicit nulls included. ``revision`` counts the
    configurations from 1; any earlier one is the state after fewer events. ``version`` counts the events.
    """

    id: str
    org_id: str
    config: dict[str, Any]
    revision: int
    created_at: datetime
    updated_at: datetime
    version: int


class DeletedAssistant(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="deleted"):
    """An assistant that no call can use any more. The last configuration stays readable for running calls' audit."""

    id: str
    org_id: str
    config: dict[str, Any]
    revision: int
    created_at: datetime
    updated_at: datetime
    version: int


Assistant = ActiveAssistant | DeletedAssistant


def version_label(assistant: Assistant) -> str:
    """The name of the present configuration, such as ``v3``."""
    return f"v{assistant.revision}"

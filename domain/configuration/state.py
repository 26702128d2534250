"""What is known of a configuration: its content as sent, and which version of it this is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class ActiveConfiguration(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="active"):
    """A configuration that can be used.

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


class DeletedConfiguration(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="deleted"):
    """A configuration that nothing new can use. Its last content stays readable for audit."""

    id: str
    org_id: str
    config: dict[str, Any]
    revision: int
    created_at: datetime
    updated_at: datetime
    version: int


Configuration = ActiveConfiguration | DeletedConfiguration


def version_label(state: Configuration) -> str:
    """The name of the present configuration, such as ``v3``."""
    return f"v{state.revision}"

"""What can be asked of a configuration. ``org_id`` is who asks: another organisation's object does not exist.

``actor`` is the id of the key that asks; ``config`` and ``changes`` are bodies that were validated before.
"""

from __future__ import annotations

from typing import Any

import msgspec


class CreateConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Keep ``config`` under a new id."""

    org_id: str
    config: dict[str, Any]
    actor: str = ""


class UpdateConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the top-level fields in ``changes``; an explicit null clears one."""

    org_id: str
    changes: dict[str, Any]
    actor: str = ""


class ReplaceConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Put ``config`` in the place of the whole configuration."""

    org_id: str
    config: dict[str, Any]
    actor: str = ""


class RestoreConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Put the configuration of an earlier revision in force again. ``config`` is what it was at ``revision``."""

    org_id: str
    revision: int
    config: dict[str, Any]
    actor: str = ""


class DeleteConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Take it out of use; what runs with it goes on."""

    org_id: str
    actor: str = ""


ConfigurationCommand = (
    CreateConfiguration | UpdateConfiguration | ReplaceConfiguration | RestoreConfiguration | DeleteConfiguration
)

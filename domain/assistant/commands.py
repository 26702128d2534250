"""What can be asked of an assistant. ``org_id`` is who asks: another organisation's assistant does not exist."""

from __future__ import annotations

from typing import Any

import msgspec


class CreateAssistant(msgspec.Struct, frozen=True, kw_only=True):
    """``config`` is the validated body as sent."""

    org_id: str
    config: dict[str, Any]


class UpdateAssistant(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the top-level fields in ``changes``; an explicit null clears one."""

    org_id: str
    changes: dict[str, Any]


class DeleteAssistant(msgspec.Struct, frozen=True, kw_only=True):
    """Take the assistant out of use; calls that run with it go on."""

    org_id: str


AssistantCommand = CreateAssistant | UpdateAssistant | DeleteAssistant

"""A squad: assistants that hand a call to each other."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.models.assistant import AssistantBody, AssistantOverrides
from api.models.base import Closed, Identifier, JsonObject


class AssistantDestination(Closed):
    """Whom a member may hand the call to: by transfer (a name) or by handoff (an id, a name, or an assistant)."""

    type: Literal["assistant"]
    assistant_name: str | None = None
    assistant_id: Identifier | None = None
    assistant: AssistantBody | None = None
    assistant_overrides: AssistantOverrides | None = None
    description: str | None = None
    message: Any = None
    transfer_mode: (
        Literal[
            "rolling-history",
            "swap-system-message-in-history",
            "swap-system-message-in-history-and-remove-transfer-tool-messages",
            "delete-history",
        ]
        | None
    ) = None
    context_engineering_plan: JsonObject | None = None
    variable_extraction_plan: JsonObject | None = None


class SquadMember(Closed):
    """One assistant of the squad, stored or inline, and where it may send the call."""

    assistant_id: Identifier | None = None
    assistant: AssistantBody | None = None
    assistant_version: str | None = None
    assistant_overrides: AssistantOverrides | None = None
    assistant_destinations: list[AssistantDestination] | None = None


class SquadBody(Closed):
    """Body of ``POST /squad``. The first member begins the call."""

    name: str | None = None
    members: Annotated[list[SquadMember], Field(min_length=1)]
    members_overrides: AssistantOverrides | None = None

"""Conversations that several chats and calls share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.models.assistant import AssistantBody, AssistantOverrides
from api.models.base import Closed, Identifier, JsonObject, Name, Open
from api.models.call import Customer
from api.models.squad import SquadBody


class SessionMessage(Open):
    """One message of the conversation so far."""

    role: Literal["system", "user", "assistant", "tool", "developer"]


class SessionBody(Closed):
    """Body of ``POST /session``."""

    name: Name | None = None
    status: Literal["active", "completed"] | None = None
    expiration_seconds: Annotated[float, Field(ge=60, le=2_592_000)] | None = None
    assistant_id: Identifier | None = None
    assistant: AssistantBody | None = None
    assistant_overrides: AssistantOverrides | None = None
    squad_id: Identifier | None = None
    squad: SquadBody | None = None
    messages: list[SessionMessage] | None = None
    customer: Customer | None = None
    customer_id: Identifier | None = None
    phone_number_id: Identifier | None = None
    phone_number: JsonObject | None = None

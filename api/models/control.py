"""Messages that steer a running call. Types that are not listed here pass through and are ignored by the call."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from api.models.base import Closed, Open, violation


class Say(Open):
    """Speak a text. Servers send it as ``content``, the browser SDK as ``message``."""

    type: Literal["say"]
    content: str | None = None
    message: str | None = None
    end_call_after_spoken: bool | None = None
    interruptions_enabled: bool | None = None
    interrupt_assistant_enabled: bool | None = None

    @model_validator(mode="after")
    def _needs_text(self) -> Say:
        if not (self.content or self.message or "").strip():
            raise violation("FIELD_REQUIRED", "needs content, the text to say")
        return self


class AddedMessage(Open):
    """A message for the conversation's history."""

    role: Literal["system", "user", "assistant", "tool", "function"]
    content: Annotated[str, Field(min_length=1)]


class AddMessage(Open):
    """Put a message into the history, and let the assistant answer it."""

    type: Literal["add-message"]
    message: AddedMessage
    trigger_response_enabled: bool | None = None


class Control(Open):
    """Mute or unmute one side, or start with the first message."""

    type: Literal["control"]
    control: Literal["mute-assistant", "unmute-assistant", "mute-customer", "unmute-customer", "say-first-message"]


class EndCall(Open):
    """Hang up."""

    type: Literal["end-call"]


class TransferDestination(Open):
    """Where a carrier reaches somebody."""

    type: Literal["number", "sip"]


class Transfer(Open):
    """Hand the caller to a number or SIP address."""

    type: Literal["transfer"]
    destination: TransferDestination
    content: str | None = None


class HandoffDestination(Open):
    """Who is to hold the conversation."""

    type: Literal["assistant", "squad"]


class Handoff(Open):
    """Let another assistant hold the conversation."""

    type: Literal["handoff"]
    destination: HandoffDestination
    content: str | None = None


class Ending(Closed):
    """What a process that was asked to end a call tells the call's owner."""

    reason: str


CONTROL_MESSAGES: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "say": Say,
        "add-message": AddMessage,
        "control": Control,
        "end-call": EndCall,
        "transfer": Transfer,
        "handoff": Handoff,
    }
)

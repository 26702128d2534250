"""What is known of a chat, one type per phase."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from domain.chat.events import (
    AssistantActivated,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    UsageMetered,
    Warned,
)


class Said(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="said"):
    """A message of the assistant."""

    message: MessageCommitted


class ToolRequested(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="tool-requested"):
    """The model asked for a tool."""

    call: ToolCalled


class ToolReturned(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="tool-returned"):
    """The tool answered."""

    answer: ToolCompleted


class ToolBroke(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="tool-broke"):
    """The tool did not answer; ``failure.error`` is what the model was told."""

    failure: ToolFailed


class HandedOver(msgspec.Struct, frozen=True, gc=False, tag_field="entry", tag="handed-over"):
    """Another assistant took the word; the answer to the tool call that asked for it stands before."""

    activation: AssistantActivated


Entry = Said | ToolRequested | ToolReturned | ToolBroke | HandedOver
"""One step of the answer, in the order in which it happened."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What never changes about a chat; see ``ChatCreated``."""

    id: str
    org_id: str
    request: dict[str, Any]
    created_at: datetime
    assistant_id: str | None = None
    assistant_version: str | None = None
    squad_id: str | None = None
    session_id: str | None = None
    session_version: int | None = None
    previous_chat_id: str | None = None
    name: str | None = None
    variable_values: dict[str, Any] = {}
    public: bool = False
    assistant: dict[str, Any] | None = None
    squad: dict[str, Any] | None = None


class _Kept(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase"):
    """What every chat holds until it is deleted. ``usage`` holds one summed reading per kind."""

    identity: Identity
    version: int
    updated_at: datetime
    entries: tuple[Entry, ...] = ()
    usage: tuple[UsageMetered, ...] = ()
    warnings: tuple[Warned, ...] = ()


class Open(_Kept, frozen=True, kw_only=True, tag="open"):
    """Begun. Nobody sees a chat like this, since its events come in one commit; every history passes through it."""


class Completed(_Kept, frozen=True, kw_only=True, tag="completed"):
    """Answered."""

    ended_ms: float


class Failed(_Kept, frozen=True, kw_only=True, tag="failed"):
    """Not answered to the end, for ``reason``; ``message`` is for people."""

    reason: str
    message: str
    ended_ms: float


class Deleted(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="deleted"):
    """What stays of a deleted chat: that it was, and what it used; nothing that was written."""

    id: str
    org_id: str
    created_at: datetime
    updated_at: datetime
    version: int
    assistant_id: str | None = None
    session_id: str | None = None
    usage: tuple[UsageMetered, ...] = ()


KeptChat = Open | Completed | Failed
Chat = KeptChat | Deleted


def status(chat: Chat) -> str:
    """``in-progress``, ``completed``, ``failed`` or ``deleted``."""
    match chat:
        case Open():
            return "in-progress"
        case Completed():
            return "completed"
        case Failed():
            return "failed"
        case Deleted():
            return "deleted"


def activation(chat: KeptChat) -> AssistantActivated | None:
    """Who was given the word last in this chat, if anybody was."""
    handed = (entry.activation for entry in reversed(chat.entries) if isinstance(entry, HandedOver))
    return next(handed, None)


def instant(chat: KeptChat, at_ms: float) -> datetime:
    """The time of day of an instant within the chat."""
    return chat.identity.created_at + timedelta(milliseconds=at_ms)

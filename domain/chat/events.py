"""What can happen in a chat: a conversation in writing, one request and its answer.

A chat is recorded when it is over, all its events in one commit, so that it exists whole or not at all. What happened
in between carries its own instant: ``at_ms`` counts from ``chat.created``'s ``started_at``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from domain.call.context_engineering import ALL
from domain.call.events import ToolFailure
from domain.event import Event, Personal


class ChatCreated(Event, frozen=True, kw_only=True):
    """Somebody wrote. ``request`` is the body as sent, with the input in it.

    ``previous_chat_id`` or ``session_id`` says what the conversation goes on from; ``session_version`` is how much of
    the session this chat had seen, since others may have come between. ``variable_values`` are those that the client
    gave, here or in the chats before this one. ``public`` says that it came with a public key, from a web page.
    ``assistant`` is the configuration that answers where it is not stored, or was handed over to, and comes from a chat
    before this one; ``squad`` is the squad that it belongs to where that came inline with such a chat.
    """

    TYPE: ClassVar[str] = "chat.created"
    org_id: str
    request: dict[str, Any]
    started_at: datetime
    assistant_id: str | None = None
    assistant_version: str | None = None
    squad_id: str | None = None
    session_id: str | None = None
    session_version: int | None = None
    previous_chat_id: str | None = None
    name: str | None = None
    variable_values: dict[str, Any] = msgspec.field(default_factory=dict)
    actor: str = ""
    public: bool = False
    assistant: dict[str, Any] | None = None
    squad: dict[str, Any] | None = None


class MessageCommitted(Event, frozen=True, kw_only=True):
    """The assistant wrote this. ``turn`` counts the model's answers within the chat from 1.

    ``source`` is ``model`` or ``end-message``.
    """

    TYPE: ClassVar[str] = "chat.message_committed"
    text: Personal
    turn: int
    at_ms: float
    role: Literal["assistant"] = "assistant"
    source: str = "model"


class ToolCalled(Event, frozen=True, kw_only=True):
    """The model asked for a tool. ``kind`` is the tool's type word, ``arguments`` what the model filled in."""

    TYPE: ClassVar[str] = "chat.tool_called"
    tool_call_id: str
    name: str
    kind: str
    arguments: dict[str, Any]
    turn: int
    at_ms: float


class ToolCompleted(Event, frozen=True, kw_only=True):
    """The tool answered; ``result`` is the text that the model read."""

    TYPE: ClassVar[str] = "chat.tool_completed"
    tool_call_id: str
    name: str
    result: Personal
    at_ms: float


class ToolFailed(Event, frozen=True, kw_only=True):
    """``failure`` is the category, ``error`` what the model was told."""

    TYPE: ClassVar[str] = "chat.tool_failed"
    tool_call_id: str
    name: str
    failure: ToolFailure
    error: Personal
    at_ms: float


class UsageMetered(Event, frozen=True, kw_only=True):
    """A meter reading; money is derived from it by the price table that it names.

    ``meter`` is ``model`` (``promptTokens``, ``completionTokens``, ``cachedPromptTokens``) or ``chat`` (``messages``
    answered).
    """

    TYPE: ClassVar[str] = "chat.usage_metered"
    meter: Literal["model", "chat"]
    provider: str
    quantities: dict[str, float]
    price_table: str
    model: str = ""
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    turn: int | None = None


class AssistantActivated(Event, frozen=True, kw_only=True):
    """Another assistant has the word from now on: the one before handed the conversation over by a tool call.

    ``assistant`` is its configuration with every layer over it and its templates as written, for the chats that follow.
    ``context`` is the type of the context engineering plan, ``max_messages`` its number where it has one.
    """

    TYPE: ClassVar[str] = "chat.assistant_activated"
    tool_call_id: str
    name: str
    assistant: dict[str, Any]
    at_ms: float
    context: str = ALL
    max_messages: int | None = None
    assistant_id: str | None = None
    assistant_version: str | None = None


class Warned(Event, frozen=True, kw_only=True):
    """Something a person should know that did not keep the chat from being answered."""

    TYPE: ClassVar[str] = "chat.warned"
    code: str
    detail: str
    at_ms: float


class ChatCompleted(Event, frozen=True, kw_only=True):
    """Answered. Terminal, as is ``chat.failed``; a chat has exactly one of them."""

    TYPE: ClassVar[str] = "chat.completed"
    at_ms: float


class ChatFailed(Event, frozen=True, kw_only=True):
    """Not answered, or not to the end. ``reason`` is one of Vapi's ``endedReason`` words, or one of our own."""

    TYPE: ClassVar[str] = "chat.failed"
    reason: str
    message: str
    at_ms: float


class ChatDeleted(Event, frozen=True, kw_only=True):
    """The chat is forgotten: no read shows it, and no conversation goes on from it."""

    TYPE: ClassVar[str] = "chat.deleted"
    actor: str = ""


Fact = MessageCommitted | ToolCalled | ToolCompleted | ToolFailed | UsageMetered | AssistantActivated | Warned
"""What can happen between the creation of a chat and its end."""

EVENTS = (
    ChatCreated,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    UsageMetered,
    AssistantActivated,
    Warned,
    ChatCompleted,
    ChatFailed,
    ChatDeleted,
)
"""In the order in which they appear in the registry of events."""

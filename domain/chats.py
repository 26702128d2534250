"""What the API may ask of whoever holds conversations in writing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Protocol

import msgspec

from domain.chat.messages import Message, Timed
from domain.chat.state import KeptChat
from domain.log.position import Position


class ChatOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A request to be answered. ``request`` is its body as sent, ``input`` the messages in it as a model reads them.

    What the conversation goes on from is ``session_id`` or ``previous_chat_id`` or nothing; who answers is named by
    ``assistant_id``, ``assistant``, ``squad_id`` or ``squad``, else by what the conversation goes on from.
    ``commit_id`` makes the chat happen once, however often it is ordered.
    """

    chat_id: str
    org_id: str
    request: dict[str, Any]
    input: tuple[Message, ...]
    assistant_id: str | None = None
    assistant: dict[str, Any] | None = None
    squad_id: str | None = None
    squad: dict[str, Any] | None = None
    session_id: str | None = None
    previous_chat_id: str | None = None
    variable_values: dict[str, Any] = {}
    name: str | None = None
    actor: str = ""
    commit_id: str | None = None
    public: bool = False


class ChatText(msgspec.Struct, frozen=True):
    """A piece of what the assistant writes. ``item`` is the index of its message in the chat's output."""

    item: int
    text: str


class ChatOver(msgspec.Struct, frozen=True):
    """A chat that is on the log, the messages that it went on from, and the position that shows it."""

    chat: KeptChat
    before: tuple[Timed, ...]
    position: Position


class ChatUnsupported(Exception):
    """Something that this version does not do was asked for; the message names it, ``fix`` says what to do instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class TooManyChats(Exception):
    """More conversations run on this node than it takes at once; nothing was begun."""


class HeldChat(Protocol):
    """A chat that is being answered. It goes on whether anybody listens or not, and is recorded at its end."""

    @property
    def began_at(self) -> datetime: ...

    def texts(self) -> AsyncIterator[ChatText]:
        """What is written, as it is written, until the answer is over; may be read once."""

    async def over(self) -> ChatOver:
        """The chat as it was recorded, failed ones included. Raises ``Refused`` and ``LogUnavailable``."""


class Chats(Protocol):
    """Holds conversations in writing."""

    async def hold(self, order: ChatOrder) -> HeldChat:
        """Begin to answer. Raises, before anything has happened: ``Refused`` for what cannot be answered (a session
        that is over, a provider without a key), ``ChatUnsupported`` and ``TooManyChats``."""

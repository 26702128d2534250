"""What can be asked of a chat."""

from __future__ import annotations

import msgspec

from domain.chat.events import ChatCompleted, ChatCreated, ChatFailed, Fact


class KeepChat(msgspec.Struct, frozen=True, kw_only=True):
    """Record a chat that is over: how it began, what happened in it, how it ended."""

    created: ChatCreated
    facts: tuple[Fact, ...]
    end: ChatCompleted | ChatFailed


class DeleteChat(msgspec.Struct, frozen=True, kw_only=True):
    """Forget it. ``org_id`` is who asks: another organisation's chat does not exist."""

    org_id: str
    actor: str = ""


ChatCommand = KeepChat | DeleteChat

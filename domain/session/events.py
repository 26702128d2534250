"""What can happen to a session beyond what happens to every configuration: conversations become part of it."""

from __future__ import annotations

from typing import ClassVar, Literal

from domain.configuration.events import events_of
from domain.event import Event

ConversationKind = Literal["chat", "call"]


class ConversationJoined(Event, frozen=True, kw_only=True):
    """A chat or a call belongs to the session from now on; what is said in it is part of the session's history.

    It stands in the same commit as the conversation itself, so neither is ever there without the other.
    """

    TYPE: ClassVar[str] = "session.conversation_joined"
    kind: ConversationKind
    conversation_id: str


CONFIGURATION_EVENTS = events_of("session")
"""``session.created``, ``session.updated``, ``session.replaced`` and ``session.deleted``."""
EVENTS = (*CONFIGURATION_EVENTS, ConversationJoined)

"""The outbox of chats and sessions: ``chat.created``, ``chat.deleted`` and ``session.*``, where they were asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.chat.aggregate import CHAT
from domain.chat.events import EVENTS as CHATS
from domain.chat.events import ChatCompleted, ChatDeleted, ChatFailed
from domain.chat.state import Chat, Deleted
from domain.chat.wire import chat_body
from domain.configuration.state import ActiveConfiguration, Configuration
from domain.event import Recorded
from domain.log.ports import Positioned
from domain.processing import Effect, Rows
from domain.server_messages.selection import selected_type
from domain.session.aggregate import SESSION
from domain.session.events import CONFIGURATION_EVENTS
from domain.wire_time import iso_ms
from domain.write_only import without_secrets
from streams.webhooks.addressing import Addressing, Subscription
from streams.webhooks.rendering import rendered
from streams.webhooks.rows import MESSAGES

Json = dict[str, Any]


class ChatOutboxState(msgspec.Struct, frozen=True, gc=False):
    """The chat so far, and whom its messages go to."""

    chat: Chat | None = None
    subscription: Subscription | None = None


@dataclass(frozen=True)
class ChatOutbox:
    """``chat.created`` when a chat was answered (it exists from then on), ``chat.deleted``."""

    addressing: Addressing
    name: str = "webhook-chat-outbox"
    version: int = 1
    handles: frozenset[str] = frozenset(event.TYPE for event in CHATS)

    def initial(self) -> ChatOutboxState:
        """Nothing is known of a chat before its first event."""
        return ChatOutboxState()

    def apply(self, state: ChatOutboxState, event: Positioned) -> tuple[ChatOutboxState, Iterable[Effect]]:
        """A row for a message that was asked for."""
        recorded = event.recorded
        chat = CHAT.evolve(state.chat, recorded)
        subscription = state.subscription
        if state.chat is None and not isinstance(chat, Deleted):
            identity = chat.identity
            request = {**identity.request, "assistantId": identity.assistant_id}
            request |= {"assistant": identity.assistant} if identity.assistant else {}
            subscription = self.addressing.of_request(request, identity.org_id, recorded.time)
        after = ChatOutboxState(chat, subscription)
        if subscription is None:
            return after, ()
        match recorded.event, chat:
            case ChatDeleted(), Deleted(org_id=org_id):
                fields: Json = {"type": "chat.deleted", "chat": _remains(chat)}
            case ((ChatCompleted() | ChatFailed()), kept) if not isinstance(kept, Deleted):
                org_id, fields = kept.identity.org_id, {"type": "chat.created", "chat": chat_body(kept, ())}
            case _:
                return after, ()
        return after, _told(fields, recorded, org_id, subscription)


@dataclass(frozen=True)
class SessionOutbox:
    """``session.created``, ``session.updated`` and ``session.deleted``."""

    addressing: Addressing
    name: str = "webhook-session-outbox"
    version: int = 1
    handles: frozenset[str] = frozenset(event.TYPE for event in CONFIGURATION_EVENTS)

    def initial(self) -> Configuration | None:
        """Nothing is known of a session before its first event."""
        return None

    def apply(self, state: Configuration | None, event: Positioned) -> tuple[Configuration | None, Iterable[Effect]]:
        """A row for a message that was asked for."""
        recorded = event.recorded
        session = SESSION.evolve(state, recorded)
        subscription = self.addressing.of_request(session.config, session.org_id, recorded.time)
        if subscription is None:
            return session, ()
        kind = "session.updated" if state is not None else "session.created"
        kind = kind if isinstance(session, ActiveConfiguration) else "session.deleted"
        return session, _told(
            {"type": kind, "session": session_snapshot(session)}, recorded, session.org_id, subscription
        )


def session_snapshot(session: Configuration) -> Json:
    """A session as its messages show it."""
    return {
        **without_secrets(session.config),
        "id": session.id,
        "orgId": session.org_id,
        "createdAt": iso_ms(session.created_at),
        "updatedAt": iso_ms(session.updated_at),
    }


def _remains(chat: Deleted) -> Json:
    """What a deleted chat's message shows of it: nothing that was written."""
    return {
        "id": chat.id,
        "orgId": chat.org_id,
        "createdAt": iso_ms(chat.created_at),
        "updatedAt": iso_ms(chat.updated_at),
        **({"assistantId": chat.assistant_id} if chat.assistant_id else {}),
        **({"sessionId": chat.session_id} if chat.session_id else {}),
    }


def _told(fields: Json, recorded: Recorded, org_id: str, subscription: Subscription) -> tuple[Effect, ...]:
    if selected_type(subscription.wanted, fields) is None:
        return ()
    message = rendered(fields, recorded, org_id=org_id, server=subscription.server, source=f"{recorded.id}.0")
    return (Rows(MESSAGES, ((message,),)),)

"""How a chat's state follows from its events. Total: what the log accepted is never refused here."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from domain.aggregate import NotFound
from domain.call.usage import add_reading
from domain.chat.events import (
    AssistantActivated,
    ChatCompleted,
    ChatCreated,
    ChatDeleted,
    ChatFailed,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    UsageMetered,
    Warned,
)
from domain.chat.state import (
    Chat,
    Completed,
    Deleted,
    Entry,
    Failed,
    HandedOver,
    Identity,
    KeptChat,
    Open,
    Said,
    ToolBroke,
    ToolRequested,
    ToolReturned,
)
from domain.event import Event, Recorded


def evolve(state: Chat | None, recorded: Recorded) -> Chat:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with its creation."""
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    if state is None:
        return _created(recorded)
    if isinstance(state, Deleted):
        return replace(state, updated_at=time, version=version)
    state = replace(state, updated_at=time, version=version)
    entry = _entry(event)
    if entry is not None:
        return replace(state, entries=(*state.entries, entry))
    match state, event:
        case _, UsageMetered():
            return replace(state, usage=add_reading(state.usage, event))
        case _, Warned():
            return replace(state, warnings=(*state.warnings, event))
        case Open(), ChatCompleted(at_ms=at_ms):
            return Completed(**_shared(state), ended_ms=at_ms)
        case Open(), ChatFailed(reason=reason, message=message, at_ms=at_ms):
            return Failed(**_shared(state), reason=reason, message=message, ended_ms=at_ms)
        case _, ChatDeleted():
            identity = state.identity
            return Deleted(
                id=identity.id,
                org_id=identity.org_id,
                created_at=identity.created_at,
                updated_at=time,
                version=version,
                assistant_id=identity.assistant_id,
                session_id=identity.session_id,
                usage=state.usage,
            )
        case _:
            return state


def _entry(event: Event) -> Entry | None:
    match event:
        case MessageCommitted():
            return Said(event)
        case ToolCalled():
            return ToolRequested(event)
        case ToolCompleted():
            return ToolReturned(event)
        case ToolFailed():
            return ToolBroke(event)
        case AssistantActivated():
            return HandedOver(event)
        case _:
            return None


def _created(recorded: Recorded) -> Open:
    event = recorded.event
    if not isinstance(event, ChatCreated):
        raise NotFound(f"{recorded.originator_id} does not exist, so {event.TYPE} cannot follow.")
    identity = Identity(
        id=recorded.originator_id,
        org_id=event.org_id,
        request=event.request,
        created_at=event.started_at,
        assistant_id=event.assistant_id,
        assistant_version=event.assistant_version,
        squad_id=event.squad_id,
        session_id=event.session_id,
        session_version=event.session_version,
        previous_chat_id=event.previous_chat_id,
        name=event.name,
        variable_values=event.variable_values,
        public=event.public,
        assistant=event.assistant if event.assistant is not None else _inline(event),
        squad=event.squad,
    )
    return Open(identity=identity, version=recorded.originator_version, updated_at=recorded.time)


def _inline(created: ChatCreated) -> dict[str, Any] | None:
    """The assistant that stands in the request itself."""
    sent = created.request.get("assistant")
    return sent if isinstance(sent, dict) else None


def _shared(state: KeptChat) -> dict[str, Any]:
    return {name: getattr(state, name) for name in Open.__struct_fields__}

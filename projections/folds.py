"""The folds of the projection: pure processors that turn events into rows, the same rows at every replay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from domain.call.aggregate import CALL
from domain.call.events import (
    ArtifactStored,
    AssistantActivated,
    HookTriggered,
    ToolCompleted,
    TranscriptFinalized,
    TransferEnded,
    TransferRequested,
    TurnDecided,
    VariablesSet,
    VoicemailDetected,
)
from domain.call.state import Call
from domain.chat.aggregate import CHAT
from domain.chat.events import EVENTS as CHATS
from domain.chat.state import Chat
from domain.configuration.state import Configuration
from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.processing import Effect, Processor, Rows
from domain.registry import EVENT_TYPES
from domain.session.aggregate import SESSION
from domain.session.events import EVENTS as SESSIONS
from domain.webhook.events import DeliveryAttempted, EndpointFound
from projections.table import Row, Table
from projections.tables import (
    calls,
    chats,
    costs,
    deleted_calls,
    deliveries,
    events,
    latencies,
    messages,
    sessions,
    tool_calls,
    turns,
)


class _CallTable(Protocol):
    """A module of ``projections.tables`` whose rows follow from a call's state and the event that led to it."""

    TABLE: Table
    READS: frozenset[type[Event]]

    def rows(self, call: Call, event: Positioned) -> tuple[Row, ...]: ...


_CALL_TABLES: tuple[_CallTable, ...] = (calls, deleted_calls, turns, messages, tool_calls, costs, latencies)
_READERS = {
    kind: tuple((module.TABLE.name, module.rows) for module in _CALL_TABLES if kind in module.READS)
    for kind in {kind for module in _CALL_TABLES for kind in module.READS}
}
_evolve = CALL.evolve
_NEUTRAL = frozenset({TurnDecided, ToolCompleted})
"""Events that change nothing of a call's state that a table reads, so that it need not be made anew."""

_UNREAD: frozenset[type[Event]] = frozenset(
    {
        *(TranscriptFinalized, ArtifactStored, AssistantActivated, VariablesSet, HookTriggered, VoicemailDetected),
        *(TransferRequested, TransferEnded),
    }
)
"""Neutral events of which no table has a row either."""

CALL_EVENTS = frozenset(name for name in EVENT_TYPES if name.startswith(f"{CALL.kind}."))
CALL_EVENTS -= {kind.TYPE for kind in _UNREAD}


@dataclass(frozen=True)
class CallTables:
    """Folds a call with its own ``evolve`` and lets each table say which rows the event adds."""

    name: str = "call-tables"
    version: int = 1
    handles: frozenset[str] = CALL_EVENTS

    def initial(self) -> Call | None:
        """Nothing is known of a call before its first event."""
        return None

    def apply(self, state: Call | None, event: Positioned) -> tuple[Call | None, Iterable[Effect]]:
        """Rows of every table that reads this type of event."""
        recorded = event.recorded
        kind = type(recorded.event)
        call = state if kind in _NEUTRAL and state is not None else _evolve(state, recorded)
        readers = _READERS.get(kind)
        if readers is None:
            return call, ()
        return call, [Rows(name, made) for name, rows in readers if (made := rows(call, event))]


@dataclass(frozen=True)
class ChatTable:
    """Folds a chat with its own ``evolve`` and shows it when it is over."""

    name: str = "chat-table"
    version: int = 1
    handles: frozenset[str] = frozenset(event.TYPE for event in CHATS)

    def initial(self) -> Chat | None:
        """Nothing is known of a chat before its first event."""
        return None

    def apply(self, state: Chat | None, event: Positioned) -> tuple[Chat | None, Iterable[Effect]]:
        """One row when it has ended or was deleted."""
        chat = CHAT.evolve(state, event.recorded)
        read = type(event.recorded.event) in chats.READS
        return chat, (Rows(chats.TABLE.name, chats.rows(chat, event)),) if read else ()


@dataclass(frozen=True)
class SessionTable:
    """Folds a session with its own ``evolve``."""

    name: str = "session-table"
    version: int = 1
    handles: frozenset[str] = frozenset(event.TYPE for event in SESSIONS)

    def initial(self) -> Configuration | None:
        """Nothing is known of a session before its first event."""
        return None

    def apply(self, state: Configuration | None, event: Positioned) -> tuple[Configuration | None, Iterable[Effect]]:
        """One row."""
        session = SESSION.evolve(state, event.recorded)
        return session, (Rows(sessions.TABLE.name, sessions.rows(session, event)),)


@dataclass(frozen=True)
class DeliveryTable:
    """Attempts at delivering messages. The state is the organisation's id, which the endpoint's first event carries."""

    name: str = "delivery-table"
    version: int = 1
    handles: frozenset[str] = frozenset({EndpointFound.TYPE, DeliveryAttempted.TYPE})

    def initial(self) -> str:
        """Unknown before the endpoint was found."""
        return ""

    def apply(self, state: str, event: Positioned) -> tuple[str, Iterable[Effect]]:
        """One row for an attempt."""
        if isinstance(event.recorded.event, EndpointFound):
            return event.recorded.event.org_id, ()
        return state, (Rows(deliveries.TABLE.name, deliveries.rows(state, event)),)


_EVENTS = events.TABLE.name


@dataclass(frozen=True)
class EventTable:
    """Every event as a row. The state is the organisation's id, which only the first event of a history carries."""

    name: str = "event-table"
    version: int = 1
    handles: frozenset[str] | None = None

    def initial(self) -> str:
        """Unknown; an originator whose first event names no organisation is one."""
        return ""

    def apply(self, state: str, event: Positioned) -> tuple[str, Iterable[Effect]]:
        """One row."""
        recorded = event.recorded
        org_id = state or _organisation(recorded)
        return org_id, (Rows(_EVENTS, events.rows(org_id, event)),)


def _organisation(first: Recorded) -> str:
    # An organisation's own events carry no org_id: their stream is the organisation.
    return str(getattr(first.event, "org_id", first.originator_id))


PROCESSORS: tuple[Processor[Any], ...] = (CallTables(), ChatTable(), SessionTable(), DeliveryTable(), EventTable())

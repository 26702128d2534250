"""The session as an aggregate: a configuration that conversations join.

``SESSION`` decides on it as on any configuration, ``CONVERSATIONS`` on what joins it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replaced
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import asdict, replace

from domain.aggregate import Aggregate, NotFound, Refused
from domain.configuration.aggregate import ConfigurationAggregate, configuration
from domain.configuration.aggregate import evolve as evolve_configuration
from domain.configuration.events import ConfigurationReplaced, ConfigurationUpdated
from domain.configuration.kinds import keys_with_target
from domain.configuration.state import ActiveConfiguration, Configuration
from domain.event import Event, Recorded
from domain.session.events import CONFIGURATION_EVENTS, ConversationJoined, ConversationKind
from domain.session.state import ActiveSession, Conversation, Session, session_status


class JoinConversation(msgspec.Struct, frozen=True, kw_only=True):
    """Make a chat or a call part of the session. ``began_at`` is when it began: a session that was open then takes it,
    even if its time has run out meanwhile."""

    org_id: str
    kind: ConversationKind
    conversation_id: str
    began_at: datetime


def join(state: Configuration | None, command: JoinConversation) -> Sequence[Event]:
    """The events that ``command`` leads to. Raises ``Refused``: what is over takes no more conversations."""
    if not isinstance(state, ActiveSession) or state.org_id != command.org_id:
        raise NotFound("The session does not exist.", field="sessionId", fix="List the sessions with GET /session.")
    if session_status(state, command.began_at) != "active":
        raise Refused(f"The session {state.id} is completed.", field="sessionId", fix="Create a new session.")
    if any(joined.id == command.conversation_id for joined in state.conversations):
        return []
    return [ConversationJoined(kind=command.kind, conversation_id=command.conversation_id)]


def evolve(state: Configuration | None, recorded: Recorded) -> Configuration:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with its creation."""
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    match state, event:
        case None, _:
            return ActiveSession(**asdict(evolve_configuration(None, recorded)))
        case ActiveSession(conversations=held), ConversationJoined(kind=kind, conversation_id=conversation_id):
            joined = (*held, Conversation(kind, conversation_id))
            return replace(state, conversations=joined, updated_at=time, version=version)
        case ActiveSession(), _:
            changed = evolve_configuration(_plain(state), recorded)
            if not isinstance(changed, ActiveConfiguration):
                return changed
            return ActiveSession(**asdict(changed), conversations=() if _begins_anew(event) else state.conversations)
        case _:
            return evolve_configuration(state, recorded)


def _begins_anew(event: Event) -> bool:
    return isinstance(event, ConfigurationReplaced) or (
        isinstance(event, ConfigurationUpdated) and "messages" in event.changes
    )


def _plain(state: ActiveSession) -> ActiveConfiguration:
    fields = asdict(state)
    del fields["conversations"]
    return ActiveConfiguration(**fields)


SESSION: Final[ConfigurationAggregate] = replaced(
    configuration("session", CONFIGURATION_EVENTS, keys_with_target), state_type=Session, evolve=evolve
)
CONVERSATIONS: Final[Aggregate[Configuration, JoinConversation]] = Aggregate(
    kind="session", state_type=Session, evolve=evolve, decide=join, keys=keys_with_target
)

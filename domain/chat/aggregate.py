"""The chat as an aggregate: its fold, its decisions, and how its document is found."""

from __future__ import annotations

from domain.aggregate import Aggregate, DocumentKeys
from domain.chat.commands import ChatCommand
from domain.chat.decide import decide
from domain.chat.evolve import evolve
from domain.chat.state import Chat, Deleted, status


def keys(state: Chat) -> DocumentKeys:
    """A chat is listed by how it ended and by the assistant that answered."""
    found = state if isinstance(state, Deleted) else state.identity
    return DocumentKeys(
        org_id=found.org_id,
        created_at=found.created_at,
        updated_at=state.updated_at,
        status=status(state),
        reference=found.assistant_id or "",
        deleted=isinstance(state, Deleted),
    )


CHAT: Aggregate[Chat, ChatCommand] = Aggregate(kind="chat", state_type=Chat, evolve=evolve, decide=decide, keys=keys)

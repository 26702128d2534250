"""The call as an aggregate: its fold, its decisions, and how its document is found."""

from __future__ import annotations

from domain.aggregate import Aggregate, DocumentKeys
from domain.call.commands import CallCommand
from domain.call.decide import decide
from domain.call.evolve import evolve
from domain.call.state import Call, Deleted, status


def keys(state: Call) -> DocumentKeys:
    """A call is listed by status and by the assistant it was created for."""
    if isinstance(state, Deleted):
        return DocumentKeys(
            org_id=state.org_id,
            created_at=state.created_at,
            updated_at=state.updated_at,
            status=status(state),
            reference=state.assistant_id or "",
            deleted=True,
        )
    return DocumentKeys(
        org_id=state.identity.org_id,
        created_at=state.identity.created_at,
        updated_at=state.updated_at,
        status=status(state),
        reference=state.identity.assistant_id or "",
    )


CALL: Aggregate[Call, CallCommand] = Aggregate(kind="call", state_type=Call, evolve=evolve, decide=decide, keys=keys)

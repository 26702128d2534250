"""The traffic of one assistant as an aggregate: an append-only history with one allocation in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid5

import msgspec
from msgspec.structs import replace

from domain.aggregate import Aggregate, Conflicting, DocumentKeys, NotFound
from domain.event import Event, Recorded
from domain.traffic.events import Intent, Target, TrafficAllocated
from domain.traffic.state import Allocation, Traffic

_NAMESPACE: Final = UUID("5b1c9a52-6a0e-5f0b-8a51-6f8f2c8f7d10")


class Allocate(msgspec.Struct, frozen=True, kw_only=True):
    """Put another allocation in force. With ``expected`` only if that one still is."""

    org_id: str
    assistant_id: str
    allocation_id: str
    intent: Intent
    targets: tuple[Target, ...] = ()
    description: str | None = None
    actor: str = ""
    expected: str | None = None


class StaleAllocation(Conflicting):
    """Another allocation is in force than the one expected: ``current``, or none."""

    def __init__(self, expected: str, current: str | None) -> None:
        found = f"the allocation {current} is" if current else "no allocation is"
        super().__init__(
            f"The allocation {expected} is not in force; {found}.",
            field="expectedCurrentAllocationId",
            fix="Look at the one in force, and send its id, or leave the field out.",
        )
        self.current = current


def traffic_id(assistant_id: str) -> str:
    """The originator of an assistant's traffic."""
    return str(uuid5(_NAMESPACE, assistant_id))


def decide(state: Traffic | None, command: Allocate) -> Sequence[Event]:
    """The events that ``command`` leads to. Raises ``StaleAllocation``."""
    if state is not None and state.org_id != command.org_id:
        raise NotFound("The assistant does not exist.", field="assistantId", fix="List them with GET /assistant.")
    current = state.current.id if state is not None else None
    if command.expected is not None and command.expected != current:
        raise StaleAllocation(command.expected, current)
    return [
        TrafficAllocated(
            org_id=command.org_id,
            assistant_id=command.assistant_id,
            allocation_id=command.allocation_id,
            intent=command.intent,
            targets=command.targets,
            description=command.description,
            actor=command.actor,
        )
    ]


def evolve(state: Traffic | None, recorded: Recorded) -> Traffic:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with an allocation."""
    event = recorded.event
    if not isinstance(event, TrafficAllocated):
        if state is None:
            raise NotFound(f"{recorded.originator_id} does not exist, so {event.TYPE} cannot follow.")
        return replace(state, version=recorded.originator_version)
    made = Allocation(
        id=event.allocation_id,
        intent=event.intent,
        created_at=recorded.time,
        targets=event.targets,
        description=event.description,
        actor=event.actor,
    )
    return Traffic(
        id=recorded.originator_id,
        org_id=event.org_id,
        assistant_id=event.assistant_id,
        allocations=(*(state.allocations if state is not None else ()), made),
        version=recorded.originator_version,
    )


def keys(state: Traffic) -> DocumentKeys:
    """Found by its assistant; there is nothing that deletes it."""
    return DocumentKeys(
        org_id=state.org_id,
        created_at=state.allocations[0].created_at,
        updated_at=state.current.created_at,
        reference=state.assistant_id,
    )


TRAFFIC: Final[Aggregate[Traffic, Allocate]] = Aggregate(
    kind="traffic", state_type=Traffic, evolve=evolve, decide=decide, keys=keys
)

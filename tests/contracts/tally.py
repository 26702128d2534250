"""A small aggregate for tests of the log: a tally that is opened, added to, opened by keys, and closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from domain.aggregate import Aggregate, DocumentKeys, NotFound, Refused
from domain.event import Event, Recorded
from domain.registry import register


class Opened(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "tally.opened"
    org_id: str
    label: str = ""


class Added(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "tally.added"
    amount: int
    note: str = ""


class KeyCut(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "tally.key_cut"
    hash: str


class KeysMelted(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "tally.keys_melted"


class Closed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "tally.closed"


class Noticed(Event, frozen=True, kw_only=True):
    """Belongs to a kind that nothing folds."""

    TYPE: ClassVar[str] = "weather.noticed"
    text: str = ""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    org_id: str
    label: str
    created_at: datetime
    updated_at: datetime
    total: int = 0
    notes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    closed: bool = False


class Open(msgspec.Struct, frozen=True):
    org_id: str
    label: str = ""


class Add(msgspec.Struct, frozen=True):
    amount: int
    note: str = ""


class CutKey(msgspec.Struct, frozen=True):
    hash: str


class MeltKeys(msgspec.Struct, frozen=True):
    pass


class Close(msgspec.Struct, frozen=True):
    pass


class Look(msgspec.Struct, frozen=True):
    """Decides nothing."""


TallyCommand = Open | Add | CutKey | MeltKeys | Close | Look


def evolve(state: Tally | None, recorded: Recorded) -> Tally:
    event, time = recorded.event, recorded.time
    if state is None:
        if not isinstance(event, Opened):
            raise NotFound(f"Tally {recorded.originator_id} does not exist.")
        return Tally(
            id=recorded.originator_id, org_id=event.org_id, label=event.label, created_at=time, updated_at=time
        )
    match event:
        case Added(amount=amount, note=note):
            return replace(state, total=state.total + amount, notes=(*state.notes, note), updated_at=time)
        case KeyCut(hash=hash):
            return replace(state, keys=(*state.keys, hash), updated_at=time)
        case KeysMelted():
            return replace(state, keys=(), updated_at=time)
        case Closed():
            return replace(state, closed=True, updated_at=time)
        case _:
            return state


def decide(state: Tally | None, command: TallyCommand) -> Sequence[Event]:
    if isinstance(command, Open):
        if state is not None:
            raise Refused("The tally exists.")
        return [Opened(org_id=command.org_id, label=command.label)]
    if state is None or state.closed:
        raise NotFound("No such tally.")
    match command:
        case Add(amount=amount, note=note):
            if state.total + amount < 0:
                raise Refused("The tally would be negative.", field="amount")
            return [Added(amount=amount, note=note)]
        case CutKey(hash=hash):
            return [KeyCut(hash=hash)]
        case MeltKeys():
            return [KeysMelted()]
        case Close():
            return [Closed()]
        case Look():
            return []


def keys(state: Tally) -> DocumentKeys:
    return DocumentKeys(
        org_id=state.org_id,
        created_at=state.created_at,
        updated_at=state.updated_at,
        status="empty" if state.total == 0 else "used",
        reference=state.label,
        key_hashes=state.keys,
        deleted=state.closed,
    )


TALLY: Aggregate[Tally, TallyCommand] = Aggregate(
    kind="tally", state_type=Tally, evolve=evolve, decide=decide, keys=keys
)
TALLIES = {"tally": TALLY}
TALLY_TYPES = register([Opened, Added, KeyCut, KeysMelted, Closed, Noticed])

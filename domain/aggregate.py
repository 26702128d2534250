"""The shape every aggregate has: two pure functions and a way to show its state as a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from domain.event import Event, Recorded

State = TypeVar("State")
Command = TypeVar("Command")


class Refused(Exception):
    """A command that the present state does not allow. Nothing was appended.

    ``field`` is the dotted wire path at fault (empty when none is), ``reason`` what is wrong, ``fix`` what to do.
    """

    def __init__(self, reason: str, *, field: str = "", fix: str = "") -> None:
        super().__init__(" ".join(part for part in (reason, fix) if part))
        self.field = field
        self.reason = reason
        self.fix = fix


class NotFound(Refused):
    """The aggregate does not exist, is deleted, or belongs to another organisation (all look the same outside)."""


class Conflicting(Refused):
    """The state allows the command in general but not now (HTTP 409)."""


class DocumentKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What a document can be found and listed by. ``deleted`` documents are kept for audit, never listed."""

    org_id: str
    created_at: datetime
    updated_at: datetime
    status: str = ""
    reference: str = ""
    """A second id to filter by: the assistant of a call."""
    key_hashes: tuple[str, ...] = ()
    """Hex SHA-256 of each key that opens this organisation now, so that one can be found by the key it is shown."""
    deleted: bool = False


@dataclass(frozen=True)
class Aggregate(Generic[State, Command]):
    """One kind of aggregate: how its state follows from events and events from commands.

    ``evolve(state, recorded)`` never fails on an accepted event. ``decide(state, command)`` returns the new events
    or raises ``Refused``. ``keys(state)`` says how the document is found; ``state_type`` is the msgspec type that
    snapshots and documents are stored as.
    """

    kind: str
    state_type: object
    evolve: Callable[[State | None, Recorded], State]
    decide: Callable[[State | None, Command], Sequence[Event]]
    keys: Callable[[State], DocumentKeys]

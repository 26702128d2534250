"""Where the outbox of an installation begins: what happened before it was there is told to nobody.

Without this an upgrade from a version that delivered nothing would send what lies on the log already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from domain.aggregate import Aggregate, DocumentKeys, NotFound
from domain.event import Event, Recorded
from domain.log.position import Position
from domain.webhook.events import OutboxStarted

OUTBOX_ID: Final = "d0a8a7a2-5a0c-5d5e-8f0e-0f2a6f6a7c11"
"""There is one outbox in an installation."""


class Outbox(msgspec.Struct, frozen=True, kw_only=True):
    """``after`` are positions, one of a shard: messages follow from events behind them."""

    started_at: datetime
    after: tuple[str, ...]

    def begins_after(self, shard: int) -> Position:
        """The last event of a shard that is told to nobody. A shard that was added later is told from its beginning."""
        positions: Mapping[int, Position] = {place.shard: place for place in map(Position.parse, self.after)}
        return positions.get(shard, Position(shard, 0))


class StartOutbox(msgspec.Struct, frozen=True, kw_only=True):
    """Begin behind these positions, unless it was begun."""

    after: tuple[str, ...]


def evolve(state: Outbox | None, recorded: Recorded) -> Outbox:
    """The state after ``recorded``."""
    match recorded.event:
        case OutboxStarted(after=after):
            return Outbox(started_at=recorded.time, after=after)
    raise NotFound(f"{recorded.event.TYPE} is about no outbox.")


def decide(state: Outbox | None, command: StartOutbox) -> Sequence[Event]:
    """The first one decides."""
    return [] if state is not None else [OutboxStarted(after=command.after)]


def keys(state: Outbox) -> DocumentKeys:
    """It belongs to no organisation."""
    return DocumentKeys(org_id="", created_at=state.started_at, updated_at=state.started_at)


OUTBOX: Aggregate[Outbox, StartOutbox] = Aggregate(
    kind="outbox", state_type=Outbox, evolve=evolve, decide=decide, keys=keys
)

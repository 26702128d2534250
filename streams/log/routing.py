"""Which shard a thing belongs to: read from the log, never computed from a name.

Organisations live in shard 0. Everything of an organisation lives where its ``organization.placed`` says, and an
originator that has events lives where they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from domain.aggregate import Aggregate
from domain.event import Event, Recorded
from domain.log.commit import Commit
from domain.log.ports import LogUnavailable, Step
from domain.registry import kind_of
from streams.log.shard import Shard

FIRST = 0
"""The shard of organisations, and of what belongs to none that was placed."""

_REMEMBERED = 10_000
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Router:
    """Finds shards. ``await_newest`` brings shard 0 up to what is on the log now, and may take a round trip."""

    def __init__(
        self,
        shards: Mapping[int, Shard],
        aggregates: Mapping[str, Aggregate[Any, Any]],
        await_newest: Callable[[], None],
    ) -> None:
        self._shards = shards
        self._aggregates = aggregates
        self._await_newest = await_newest
        self._known: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def of_originator(self, originator_id: str) -> int | None:
        """The shard that holds the originator's events, ``None`` where this node has seen none."""
        if len(self._shards) == 1:
            return FIRST
        with self._lock:
            known = self._known.get(originator_id)
        if known is not None:
            return known
        for number, shard in self._shards.items():
            if shard.reader.has(originator_id):
                with self._lock:
                    self._known[originator_id] = number
                    if len(self._known) > _REMEMBERED:
                        self._known.popitem(last=False)
                return number
        return None

    def of_organization(self, org_id: str) -> int | None:
        """The shard of what the organisation owns, ``None`` where this node knows no such organisation."""
        if len(self._shards) == 1:
            return FIRST
        document = self._shards[FIRST].documents.current(org_id)
        if document is None or document.kind != "organization":
            return None
        placed = int(document.state.shard or FIRST)
        if placed not in self._shards:
            raise LogUnavailable(
                f"organization {org_id} was placed in shard {placed}, and this node follows {len(self._shards)} shards "
                "only; restart it so that it follows the new ones"
            )
        return placed

    def of_command(self, aggregate: Aggregate[Any, Any], originator_id: str, command: Any) -> int:
        """Where a command is to be decided. Raises what ``decide`` refuses on an originator that does not exist."""
        found = self.of_originator(originator_id)
        if found is not None:
            return found
        return self._of_new(aggregate, originator_id, aggregate.decide(None, command))

    def of_steps(self, steps: Sequence[Step]) -> int:
        """Where a decision about several is to be made. Raises as ``of_command``, and ``ValueError`` when its
        originators are not in one shard."""
        shards = {self.of_command(step.aggregate, step.originator_id, step.command) for step in steps}
        if len(shards) > 1:
            raise ValueError(f"the originators of one decision are in shards {sorted(shards)}; they must share one")
        return shards.pop()

    def of_facts(self, originator_id: str, events: Sequence[Event]) -> int:
        """Where facts are to be recorded. Raises what the fold refuses on an originator that does not exist."""
        found = self.of_originator(originator_id)
        if found is not None:
            return found
        return self._of_new(self._aggregates.get(kind_of(events[0].TYPE)) if events else None, originator_id, events)

    def of_commit(self, commit: Commit, events: Sequence[Recorded]) -> int:
        """Where a finished commit is to be appended. Raises ``ValueError`` when it spans shards."""
        by_originator: dict[str, list[Event]] = {}
        for recorded in events:
            by_originator.setdefault(recorded.originator_id, []).append(recorded.event)
        shards = {self.of_facts(originator_id, own) for originator_id, own in by_originator.items()}
        if len(shards) > 1:
            raise ValueError(
                f"commit {commit.commit_id} has originators in shards {sorted(shards)}; one commit stays in one shard"
            )
        return shards.pop() if shards else FIRST

    def _of_new(self, aggregate: Aggregate[Any, Any] | None, originator_id: str, events: Sequence[Event]) -> int:
        if aggregate is None or not events or aggregate.kind == "organization":
            return FIRST
        state = None
        for version, event in enumerate(events, 1):
            state = aggregate.evolve(state, Recorded(originator_id, version, "", _ANY_TIME, event))
        org_id = aggregate.keys(state).org_id
        placed = self.of_organization(org_id)
        if placed is None:
            # Another node may have founded it a moment ago; guessing would split the organisation for good.
            self._await_newest()
            placed = self.of_organization(org_id)
        return FIRST if placed is None else placed

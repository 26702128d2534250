"""Judging silence without comparing clocks: the heartbeats of all processes stand in one order, which is everybody's.

Time here is counted by the heartbeats of the one who judges, at the moments when they come back from the topic. A topic
that does not take or give records stops that clock, so an outage of the log makes nobody look dead; nor does a judge
who was himself away: however long the gap, one heartbeat of his counts for one step. An owner is dead when the judge's
own heartbeats kept coming back for the length of a lease and the owner's did not; since the owner's last one counts
from the judge's one before it, that is a lease less a pause at least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf


@dataclass(frozen=True, slots=True)
class Beats:
    """What one process has read of the topic. All times in seconds; ``step_s`` is the most that one heartbeat of its
    own may count for: somewhat more than the pause between two."""

    me: str
    lease_s: float
    step_s: float
    clock_s: float = 0.0
    own_came_s: float | None = None
    seen: Mapping[str, float] = field(default_factory=dict)
    delivering: Mapping[str, float] = field(default_factory=dict)
    """Others that deliver messages, and since when they have been heard to without a break."""
    resigned: frozenset[str] = frozenset()
    """Others that live and say that they deliver none."""

    def heard(self, owner: str, now_s: float, *, delivers: bool | None = None) -> Beats:
        """A heartbeat came back at ``now_s`` of this process's own clock. ``delivers`` is what it says of messages, if
        anything."""
        if owner != self.me:
            heard = replace(self, seen={**self.seen, owner: self.clock_s})
            return heard._told(owner, delivers)
        passed_s = 0.0 if self.own_came_s is None else min(now_s - self.own_came_s, self.step_s)
        clock_s = self.clock_s + passed_s
        seen = self.seen
        if clock_s > self.lease_s:
            # By now whoever is not known is dead, so the dead need not be known.
            seen = {name: at_s for name, at_s in seen.items() if clock_s - at_s <= self.lease_s}
        heard = replace(self, clock_s=clock_s, own_came_s=now_s, seen=seen)
        return heard if len(seen) == len(self.seen) else heard._without_the_dead()

    def left(self, owner: str) -> Beats:
        """The owner said itself that it serves nothing any more."""
        return replace(self, seen={**self.seen, owner: -inf})._told(owner, None)

    def deliverers(self, settled_s: float) -> frozenset[str]:
        """Others that have lived and delivered messages for so long."""
        return frozenset(name for name, since_s in self.delivering.items() if self.clock_s - since_s >= settled_s)

    def alive(self, owner: str) -> bool:
        """Whether the owner may still serve calls. One that was never heard has a lease from when this began."""
        return owner == self.me or self.clock_s - self.seen.get(owner, 0.0) <= self.lease_s

    def _told(self, owner: str, delivers: bool | None) -> Beats:
        """What an owner says of messages changes seldom; heartbeats are many."""
        if delivers == (True if owner in self.delivering else False if owner in self.resigned else None):
            return self
        delivering = {name: since_s for name, since_s in self.delivering.items() if name != owner}
        resigned = self.resigned - {owner}
        if delivers:
            delivering[owner] = self.clock_s
        elif delivers is not None:
            resigned |= {owner}
        return replace(self, delivering=delivering, resigned=resigned)

    def _without_the_dead(self) -> Beats:
        delivering = {name: since_s for name, since_s in self.delivering.items() if name in self.seen}
        return replace(self, delivering=delivering, resigned=self.resigned & self.seen.keys())

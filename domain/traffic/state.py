"""What is known of an assistant's traffic: every allocation there was, the last one being in force."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.traffic.events import Intent, Target


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """See ``TrafficAllocated``."""

    id: str
    intent: Intent
    created_at: datetime
    targets: tuple[Target, ...] = ()
    description: str | None = None
    actor: str = ""


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """``allocations`` holds at least one, in order."""

    id: str
    org_id: str
    assistant_id: str
    allocations: tuple[Allocation, ...]
    version: int

    @property
    def current(self) -> Allocation:
        """The allocation in force."""
        return self.allocations[-1]

    def allocation(self, allocation_id: str) -> Allocation | None:
        """One of them, by its id."""
        return next((made for made in self.allocations if made.id == allocation_id), None)

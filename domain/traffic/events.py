"""What can happen to the traffic of an assistant: its calls are shared out among its versions in another way."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from domain.event import Event

Intent = Literal["follow-latest", "explicit"]
"""Every call to the newest version, or shares to named ones."""


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A version, such as ``v7``, and its share of the calls in percent, with up to three decimal places."""

    assistant_version: str
    percentage: float


class TrafficAllocated(Event, frozen=True, kw_only=True):
    """From now on new calls with the assistant go to these versions; earlier allocations are history.

    ``targets`` add up to 100 and are empty with the intent ``follow-latest``. ``actor`` is the key that asked for it.
    """

    TYPE: ClassVar[str] = "traffic.allocated"
    org_id: str
    assistant_id: str
    allocation_id: str
    intent: Intent
    targets: tuple[Target, ...] = ()
    description: str | None = None
    actor: str = ""


EVENTS = (TrafficAllocated,)
"""In the order in which they appear in the registry of events."""

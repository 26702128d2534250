"""What an event is: an immutable fact with a stable dotted type, and the record that carries it on the log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

import msgspec

Personal = Annotated[str, msgspec.Meta(extra_json_schema={"x-personal": True})]
"""A text that identifies or quotes a person. Marked in the schema so that it can be sealed and shredded."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of every domain event.

    Subclasses set ``TYPE`` (past tense, aggregate first: ``call.tool_called``) and raise ``VERSION`` when the
    shape changes incompatibly; an upcaster then lifts the older stored samples. Field names are snake_case, units
    stand in the name (``_ms``, ``_hz``, ``_usd``), wall-clock times are aware UTC datetimes.

    The cyclic garbage collector does not track events and what carries them (``gc=False``): they hold values only,
    never a way back to themselves, and reading a log makes so many that walking them took a quarter of its time.
    """

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """One event as it stands on the log: whose it is, which number it has there, when and under what id.

    ``originator_version`` counts from 1 without gaps. ``id`` is unique over the whole log (commit id and index).
    The attribute names are those of eventsourcing's ``DomainEventProtocol``.
    """

    originator_id: str
    originator_version: int
    id: str
    time: datetime
    event: Event

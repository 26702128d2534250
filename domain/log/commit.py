"""A commit: the events of one decision, appended all or nothing. The unit that arbitration judges."""

from __future__ import annotations

from typing import Annotated

import msgspec

ENVELOPE_VERSION = 1

Counter = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A number that every carrier can store. One that none could is no claim but a malformed record."""


class Slot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The place in an originator's history that one event claims."""

    originator_id: str
    version: Counter


class Commit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a writer sends to the log.

    ``slots[i]`` is the claim of ``bodies[i]``; together with ``commit_id`` and ``tracking`` they are the
    arbitration tuple and travel in record headers, so that no change of codec or schema can alter a verdict.
    ``bodies`` are JSON objects ``{"id", "type", "v", "time", "data"}``; the record value is their array.
    ``topics`` repeats each body's dotted type for filtering without parsing.
    """

    commit_id: str
    slots: tuple[Slot, ...]
    topics: tuple[str, ...]
    bodies: tuple[bytes, ...]
    tracking: tuple[str, int] | None = None
    v: int = ENVELOPE_VERSION


def attempt_id(intent: str, number: int) -> str:
    """The commit id of an intent's attempt, counted from 0. Each lost race needs another: a void id stays void."""
    return f"{intent}~{number}" if number else intent

"""``given(events).when(command).then(events)``: how a decision is put to the test."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import pytest

from domain.aggregate import Aggregate, Refused
from domain.event import Event, Recorded

S = TypeVar("S")
C = TypeVar("C")

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
"""When the first event of every history is recorded; each further one follows a second later."""

ORIGINATOR = "0198c0de-0000-7000-8000-000000000001"


def recorded(events: Iterable[Event]) -> list[Recorded]:
    """The events as the log would hand them out."""
    return [
        Recorded(ORIGINATOR, version, f"event-{version}", START + timedelta(seconds=version - 1), event)
        for version, event in enumerate(events, start=1)
    ]


def fold(aggregate: Aggregate[S, Any], events: Iterable[Event]) -> S:
    """The state after ``events``; there has to be at least one."""
    state: S | None = None
    for fact in recorded(events):
        state = aggregate.evolve(state, fact)
    assert state is not None
    return state


class Given(Generic[S, C]):
    """A history of one aggregate."""

    def __init__(self, aggregate: Aggregate[S, C], events: tuple[Event, ...]) -> None:
        self.aggregate = aggregate
        self.state = fold(aggregate, events) if events else None

    def when(self, command: C) -> When[S, C]:
        """Put ``command`` to the state that the history led to."""
        return When(self, command)


class When(Generic[S, C]):
    """A command that waits for its outcome."""

    def __init__(self, given: Given[S, C], command: C) -> None:
        self.given = given
        self.command = command

    def then(self, *events: Event) -> None:
        """Exactly these events follow."""
        assert list(self.given.aggregate.decide(self.given.state, self.command)) == list(events)

    def refused(self, kind: type[Refused], *, because: str, field: str | None = None) -> None:
        """The command is refused with ``kind`` itself, and the reason contains ``because``."""
        with pytest.raises(Refused) as refusal:
            self.given.aggregate.decide(self.given.state, self.command)
        assert type(refusal.value) is kind
        assert because in refusal.value.reason
        if field is not None:
            assert refusal.value.field == field


def given(aggregate: Aggregate[S, C], *events: Event) -> Given[S, C]:
    """A history to start from; none at all for an aggregate that does not exist yet."""
    return Given(aggregate, events)

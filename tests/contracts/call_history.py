"""Small, fixed histories of calls: the same events under the same ids and times, whichever log they are appended to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from domain.call.events import (
    CallCreated,
    CallEnded,
    CallStarted,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    TurnMeasured,
)
from domain.event import Event
from domain.log.ports import Commands
from domain.log.position import Position

BEGAN = datetime(2026, 11, 21, 9, 0, 30, tzinfo=UTC)
ORGANIZATIONS = ("org-a", "org-b")
ASSISTANT = {"model": {"provider": "openai"}, "voice": {"provider": "local"}, "transcriber": {"provider": "local"}}


def call_id(number: int) -> str:
    return f"call-{number:04}"


def commits(number: int) -> Sequence[Sequence[Event]]:
    """What happens in one call, a commit at a time. Every fifth goes on."""
    delay = 300.0 + 10 * number
    created = CallCreated(
        org_id=ORGANIZATIONS[number % 2],
        type="webCall",
        request={},
        transport={},
        assistant_id=f"assistant-{number % 3}",
    )
    started = CallStarted(clock_origin=BEGAN, at_ms=0.0, assistant=ASSISTANT)
    said = MessageCommitted(
        message_id=f"message-{number}", role="user", text=f"call {number}", started_ms=100.0, ended_ms=900.0, turn=1
    )
    called = ToolCalled(
        tool_call_id=f"tool-{number}", name="book", kind="function", arguments={"n": number}, turn=1, at_ms=1000.0
    )
    completed = ToolCompleted(tool_call_id=f"tool-{number}", name="book", result="booked", at_ms=1400.0)
    measured = TurnMeasured(
        turn=1, source="model", t0_ms=900.0, t1_ms=950.0, t2_ms=1000.0, t3_ms=1000.0, t4_ms=1000.0 + delay, t7_ms=1900.0
    )
    ended = CallEnded(reason="customer-ended-call", at_ms=60_000.0)
    begun = [[created], [started, said], [called], [completed, measured]]
    return begun if number % 5 == 4 else [*begun, [ended]]


def interleaved(calls: range) -> Iterator[tuple[str, int, Sequence[Event]]]:
    """The first commit of each call, then the second of each, and so on: call id, number of the commit, events."""
    rounds = {number: commits(number) for number in calls}
    for index in range(max(len(made) for made in rounds.values())):
        for number, made in rounds.items():
            if index < len(made):
                yield call_id(number), index, made[index]


async def append(log: Commands, calls: range) -> Position:
    """Append the calls; a minute passes between rounds. The position of the last event."""
    for originator_id, index, events in interleaved(calls):
        time = BEGAN + timedelta(minutes=index)
        appended = await log.record(originator_id, events, [time] * len(events), commit_id=f"{originator_id}.{index}")
    return appended.position

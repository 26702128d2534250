"""Events on their way to the log: in order, in batches, through outages, under stable commit ids."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call.events import Warned
from domain.event import Event, Recorded
from domain.log.ports import Appended, LogUnavailable, OutcomeUnknown
from domain.log.position import Position
from media.call.journal import JournalWriter

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int) -> Warned:
    return Warned(code="numbered", detail=str(number))


class FakeLog:
    """Accepts, refuses or forgets to answer, as scripted; knows commits it has seen."""

    def __init__(self, script: Sequence[str] = ()) -> None:
        self._script = iter(script)
        self.accepted: dict[str, list[tuple[str, datetime]]] = {}
        self.commits: dict[str, tuple[str, int]] = {}
        self.sizes: list[int] = []

    async def execute(self, *arguments: Any, **more: Any) -> Any:
        raise AssertionError("facts are recorded, not commanded")

    async def record(
        self, originator_id: str, events: Sequence[Event], times: Sequence[datetime], *, commit_id: str | None = None
    ) -> Appended:
        await asyncio.sleep(0)
        assert commit_id is not None
        outcome = next(self._script, "accept")
        if outcome == "refuse":
            raise LogUnavailable("not now")
        if outcome == "poison" and any(getattr(event, "detail", "") == "poison" for event in events):
            raise TypeError("cannot be encoded")
        details = [event.detail for event in events if isinstance(event, Warned)]
        if commit_id not in self.commits:
            self.commits[commit_id] = (originator_id, len(events))
            self.sizes.append(len(events))
            self.accepted.setdefault(originator_id, []).extend(zip(details, times, strict=True))
        elif self.commits[commit_id] != (originator_id, len(events)):
            raise AssertionError("a commit id was used for something else")
        if outcome == "forget":
            raise OutcomeUnknown("no answer")
        recorded = tuple(Recorded(originator_id, 1, "", time, event) for event, time in zip(events, times, strict=True))
        return Appended(Position(0, 1), recorded)

    def of(self, call: str) -> list[str]:
        return [detail for detail, _ in self.accepted.get(call, [])]


@asynccontextmanager
async def writing(log: FakeLog) -> AsyncIterator[JournalWriter]:
    numbers = itertools.count()
    writer = JournalWriter(log, lambda: f"commit-{next(numbers)}", retry_s=0.001)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_events_arrive_in_order_with_their_times_and_in_batches() -> None:
    log = FakeLog()
    async with writing(log) as writer:
        journal = writer.open("call", cap=100)
        for number in range(600):
            journal.append(event(number), START + timedelta(seconds=number))
        await journal.flushed()
    assert log.of("call") == [str(number) for number in range(600)]
    assert log.accepted["call"][599][1] == START + timedelta(seconds=599)
    assert len(log.sizes) <= 4


@given(
    st.lists(st.sampled_from(["accept", "refuse", "forget"]), max_size=30),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.booleans()), max_size=20),
)
def test_whatever_the_log_does_every_event_is_there_once_and_in_order(
    script: list[str], work: list[tuple[str, int, bool]]
) -> None:
    async def run() -> None:
        log = FakeLog(script)
        expected: dict[str, list[str]] = {}
        async with writing(log) as writer:
            journals = {call: writer.open(call, cap=10_000) for call in "abc"}
            numbers = itertools.count()
            for call, count, pause in work:
                for number in itertools.islice(numbers, count):
                    journals[call].append(event(number), START)
                    expected.setdefault(call, []).append(str(number))
                if pause:
                    await asyncio.sleep(0)
            async with asyncio.timeout(10):
                for journal in journals.values():
                    await journal.flushed()
        assert {call: log.of(call) for call in expected} == expected

    asyncio.run(run())


async def test_one_event_that_cannot_be_appended_keeps_no_other_from_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = FakeLog(["poison"] * 20)
    async with writing(log) as writer:
        journal = writer.open("call", cap=100)
        for detail in ("1", "2", "poison", "3"):
            journal.append(Warned(code="x", detail=detail), START)
        async with asyncio.timeout(5):
            await journal.flushed()
    assert log.of("call") == ["1", "2", "3"]
    assert any(record.message == "journal.event_refused" for record in caplog.records)


async def test_a_journal_says_when_too_much_waits() -> None:
    log = FakeLog(["refuse"] * 1_000_000)
    async with writing(log) as writer:
        journal = writer.open("call", cap=3)
        for number in range(3):
            journal.append(event(number), START)
        assert not journal.overdue
        journal.append(event(3), START)
        assert journal.overdue
        assert len(journal) == 4


async def test_calls_do_not_wait_for_each_other() -> None:
    release = asyncio.Event()

    class SlowForOne(FakeLog):
        async def record(self, originator_id: str, *arguments: Any, **more: Any) -> Appended:
            if originator_id == "slow":
                await release.wait()
            return await super().record(originator_id, *arguments, **more)

    log = SlowForOne()
    async with writing(log) as writer:
        slow, quick = writer.open("slow", cap=10), writer.open("quick", cap=10)
        slow.append(event(1), START)
        quick.append(event(2), START)
        async with asyncio.timeout(5):
            await quick.flushed()
        quick.append(event(3), START)
        try:
            async with asyncio.timeout(5):
                await quick.flushed()
        finally:
            release.set()
        await slow.flushed()
    assert log.of("quick") == ["2", "3"]

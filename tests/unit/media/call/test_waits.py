"""What calls wait for: the line of those that begin, the log, and what is said of a log that is away."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.call import start_line
from media.call.log_delay import LogDelay
from media.call.outage import Outage
from media.call.start_line import StartLine
from tests.patience import PATIENCE_S


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(start_line, "monotonic", clock)
    return clock


async def test_turns_come_in_order_and_one_at_a_time() -> None:
    line, order, inside = StartLine(), list[int](), 0

    async def begin(number: int) -> None:
        nonlocal inside
        async with line.turn():
            inside += 1
            assert inside == 1
            order.append(number)
            await asyncio.sleep(0)
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(begin(number))
    assert order == list(range(10))
    assert line.wait_ms == 0


async def test_the_line_tells_how_long_its_first_stands_and_how_long_it_takes_at_its_pace(clock: Clock) -> None:
    line = StartLine()
    for _ in range(30):
        async with line.turn():
            clock.now_s += 0.01
    assert line.wait_ms == 0
    with line.coming():
        assert line.wait_ms == pytest.approx(3 * 10, rel=0.01)
        clock.now_s += 0.2
        assert line.wait_ms == pytest.approx(200)
    async with line.turn():
        clock.now_s += 0.7
        assert line.wait_ms == pytest.approx(700)
    assert line.wait_ms == 0


async def test_who_leaves_the_line_in_its_midst_holds_nobody_up() -> None:
    line = StartLine()

    async def begin() -> None:
        async with line.turn():
            await asyncio.Event().wait()

    first, second = asyncio.create_task(begin()), asyncio.create_task(begin())
    await asyncio.sleep(0)
    for task in (first, second):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    async with asyncio.timeout(PATIENCE_S), line.turn():
        pass
    assert line.wait_ms == 0


def test_the_log_delay_is_the_mean_of_what_was_answered_lately() -> None:
    delay = LogDelay()
    assert delay.seconds(0.0) == 0
    delay.waits("a", 0.0)
    delay.waits("b", 0.1)
    delay.taken("a", 0.2, more=False)
    delay.taken("b", 0.2, more=True)
    assert delay.seconds(0.2) == pytest.approx(0.15)
    delay.taken("b", 0.5, more=False)
    assert delay.seconds(0.5) == pytest.approx((0.2 + 0.1 + 0.3) / 3)
    assert delay.seconds(2.0) == 0


def test_a_log_that_answers_nobody_is_as_slow_as_its_silence_and_one_that_refuses_is_not_slow() -> None:
    delay = LogDelay()
    delay.waits("a", 10.0)
    delay.waits("a", 11.0)
    assert delay.seconds(13.0) == pytest.approx(3.0)
    delay.waits("b", 12.0)
    delay.taken("b", 12.5, more=False)
    assert delay.seconds(13.0) == pytest.approx(0.5)
    delay.gone("a")
    delay.gone("never there")
    assert delay.seconds(14.0) == 0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["waits", "taken", "more", "gone"]), st.floats(0, 2)))
)
def test_whatever_happens_the_delay_is_no_longer_than_the_longest_wait(steps: list[tuple[str, str, float]]) -> None:
    delay, now_s, longest_s = LogDelay(), 0.0, 0.0
    since: dict[str, float] = {}
    for journal, what, pause_s in steps:
        now_s += pause_s
        match what:
            case "waits":
                delay.waits(journal, now_s)
                since.setdefault(journal, now_s)
            case "gone":
                delay.gone(journal)
                since.pop(journal, None)
            case _:
                longest_s = max(longest_s, now_s - since.pop(journal, now_s))
                delay.taken(journal, now_s, more=what == "more")
                if what == "more":
                    since[journal] = now_s
        waiting_s = max((now_s - each_s for each_s in since.values()), default=0.0)
        assert -1e-6 <= delay.seconds(now_s) <= max(longest_s, waiting_s) + 1e-6
    assert delay.seconds(now_s + 100) <= 100 + max(longest_s, now_s) + 1e-6


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def test_a_log_that_comes_and_goes_is_not_spoken_of_every_time(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("away", "back")
    with caplog.at_level(logging.INFO, "media.call.outage"):
        for second in range(0, 50, 2):
            outage.goes_on(float(second), {"reason": "silent"})
            outage.goes_on(second + 0.5, {"reason": "silent"})
            outage.over()
        assert said(caplog) == ["away", "back"]
        outage.goes_on(61.0, {"reason": "silent"})
        assert said(caplog) == ["away", "back", "away"]
        assert vars(caplog.records[-1])["times"] == 25


def test_an_outage_that_lasts_is_spoken_of_once_even_where_it_began_in_a_quiet_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage("away", "back")
    with caplog.at_level(logging.INFO, "media.call.outage"):
        outage.goes_on(0.0, {})
        outage.over()
        for second in range(10, 1_000, 5):
            outage.goes_on(float(second), {})
        outage.over()
    assert said(caplog) == ["away", "back", "away", "back"]

"""What the process owns for all calls: the 20 ms clock and the garbage collector."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from time import monotonic

import pytest

from media.call.collector import CollectorPolicy
from media.call.ticker import UNWATCHED, Ticker
from tests.patience import PATIENCE_S


class Counter:
    def __init__(self, enough: int) -> None:
        self.ticks: list[float] = []
        self.enough = enough
        self.done = asyncio.Event()

    def tick(self) -> None:
        self.ticks.append(asyncio.get_running_loop().time())
        if len(self.ticks) >= self.enough:
            self.done.set()


async def test_everyone_who_joined_is_called_every_twenty_milliseconds() -> None:
    ticker = Ticker()
    task = asyncio.create_task(ticker.run())
    counters = [Counter(15) for _ in range(6)]
    for counter in counters:
        ticker.join(counter)
    async with asyncio.timeout(PATIENCE_S):
        for counter in counters:
            await counter.done.wait()
    for counter in counters:
        ticker.leave(counter)
    counts = [len(counter.ticks) for counter in counters]
    assert max(counts) - min(counts) <= 1
    # At least as long as the pace asks; a busy machine may take longer.
    assert all(counter.ticks[-1] - counter.ticks[0] >= 14 * 0.020 - 0.010 for counter in counters)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_has_left_is_not_called_any_more() -> None:
    ticker = Ticker()
    task = asyncio.create_task(ticker.run())
    leaver, stayer = Counter(2), Counter(8)
    ticker.join(leaver)
    ticker.join(stayer)
    async with asyncio.timeout(PATIENCE_S):
        await leaver.done.wait()
        ticker.leave(leaver)
        count = len(leaver.ticks)
        await stayer.done.wait()
    assert len(leaver.ticks) == count
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_lag_counts_as_sustained_after_seconds_of_it_and_is_forgotten_while_nothing_runs() -> None:
    class Slow(Counter):
        def tick(self) -> None:
            end = monotonic() + 0.03
            while monotonic() < end:
                pass
            super().tick()

    ticker = Ticker(window_s=0.1)
    task = asyncio.create_task(ticker.run())
    slow = Slow(20)
    ticker.join(slow)
    async with asyncio.timeout(PATIENCE_S):
        await slow.done.wait()
    assert ticker.sustained_lag_ms >= 20
    ticker.leave(slow)
    assert ticker.sustained_lag_ms == 0
    quick = Counter(2)
    ticker.join(quick)
    async with asyncio.timeout(PATIENCE_S):
        await quick.done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_thread_that_works_all_the_time_is_busy_and_is_not_once_nothing_runs() -> None:
    class Working(Counter):
        def tick(self) -> None:
            end = monotonic() + 0.006
            while monotonic() < end:
                pass
            super().tick()

    ticker = Ticker()
    task = asyncio.create_task(ticker.run())
    working = [Working(60) for _ in range(4)]
    for each in working:
        ticker.join(each)
    assert ticker.work == UNWATCHED
    async with asyncio.timeout(PATIENCE_S):
        for each in working:
            await each.done.wait()
    work = ticker.work
    assert 0 < work.busy <= 1
    assert work.running == 4
    assert work.begun in (0, 4)
    assert ticker.running == 4
    for each in working:
        ticker.leave(each)
    assert ticker.work == UNWATCHED
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    """A process as it begins; the one that runs the tests has frozen what it collected of them."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("nothing_frozen")
async def test_while_calls_run_and_a_moment_longer_only_the_youngest_generation_is_collected() -> None:
    found = gc.get_threshold()
    policy = CollectorPolicy(idle_s=0.05)
    collected = asyncio.Event()

    def watch(phase: str, about: dict[str, int]) -> None:
        if phase == "stop" and about["generation"] == 2:
            collected.set()

    try:
        policy.started_up()
        assert gc.get_freeze_count() > 0
        gc.callbacks.append(watch)
        policy.call_began()
        policy.call_began()
        assert gc.get_threshold()[0] == found[0]
        assert min(gc.get_threshold()[1:]) > 10_000
        policy.call_ended()
        policy.call_ended()
        policy.call_began()
        await asyncio.sleep(0.1)
        assert not collected.is_set()
        assert min(gc.get_threshold()[1:]) > 10_000
        policy.call_ended()
        async with asyncio.timeout(PATIENCE_S):
            await collected.wait()
        assert gc.get_threshold() == found
    finally:
        gc.callbacks.remove(watch)
        policy.restore()
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == found


@pytest.mark.usefixtures("nothing_frozen")
def test_what_a_process_has_frozen_itself_stays_frozen_and_nothing_is_added() -> None:
    gc.freeze()
    before, late = gc.get_freeze_count(), [object()]
    policy = CollectorPolicy()
    policy.started_up()
    assert any(found is late for found in gc.get_objects()), "the collector still looks at what came after"
    policy.restore()
    assert gc.get_freeze_count() == before

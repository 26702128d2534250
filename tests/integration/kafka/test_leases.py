"""Heartbeats over a real broker: a silent process is dead, a process is not dead because the broker was away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from streams.kafka.location import KafkaLocation
from streams.kafka.topics import prepare
from streams.leases.kafka import KafkaLeases
from tests.brokers import fresh_topic

if TYPE_CHECKING:
    from infra.kafka.cluster import DevCluster

LEASE_S = 2.0
PAUSE_S = LEASE_S / 4
WITHIN_S = 60.0
"""Long, for busy machines."""
pytestmark = pytest.mark.timeout(900)


def made_on(cluster: DevCluster) -> KafkaLocation:
    located = KafkaLocation.parse(f"kafka://{cluster.bootstrap}?topics={fresh_topic('leases')}")
    prepare(located, replication=1)
    return located


@pytest.fixture
def location(kafka_broker: DevCluster) -> KafkaLocation:
    return made_on(kafka_broker)


@contextmanager
def processes(location: KafkaLocation, *names: str) -> Iterator[list[KafkaLeases]]:
    with ExitStack() as closing:
        opened = []
        for name in names:
            leases = KafkaLeases.open(location, owner=name, is_gone="gone".__eq__, lease_s=LEASE_S, trouble_s=LEASE_S)
            closing.callback(leases.close)
            opened.append(leases)
        yield opened


async def beating(*leases: KafkaLeases) -> None:
    while True:
        for each in leases:
            await asyncio.to_thread(each.beat)
        await asyncio.sleep(PAUSE_S)


async def until_dead(judge: KafkaLeases, owner: str) -> float:
    """Seconds until the judge says so; it looks as often as a reaper could."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(WITHIN_S):
        while judge.alive(owner):  # noqa: ASYNC110 - asked again and again, as by a reaper
            await asyncio.sleep(0.05)
    return loop.time() - began


async def test_a_silent_process_is_dead_for_all_others_and_one_that_beats_for_none(location: KafkaLocation) -> None:
    with processes(location, "a", "b", "c") as (a, b, c):
        for each in (a, b, c):
            each.beat()
        going_on = asyncio.create_task(beating(a, b))
        took = await until_dead(a, "c")
        assert took >= LEASE_S - 2 * PAUSE_S
        await until_dead(b, "c")
        assert a.alive("b")
        assert b.alive("a")
        assert not a.alive("gone")
        going_on.cancel()


@pytest.mark.parametrize(("ahead_s", "told"), [(0, 0), (86_400, 1), (-600, 1)])
def test_a_clock_that_differs_from_the_brokers_is_told_of_once(
    location: KafkaLocation, caplog: pytest.LogCaptureFixture, ahead_s: int, told: int
) -> None:
    leases = KafkaLeases.open(
        location, owner="a", is_gone="gone".__eq__, lease_s=2 * WITHIN_S, wall_clock=lambda: time.time() + ahead_s
    )
    with closing(leases):
        for _ in range(2):
            leases.beat()
            deadline = time.monotonic() + WITHIN_S
            while not leases.current():
                assert time.monotonic() < deadline
    said = [vars(record) for record in caplog.records if record.getMessage() == "leases.clock_differs"]
    assert len(said) == told
    assert all(abs(record["ahead_s"] - ahead_s) < WITHIN_S for record in said)


async def test_a_process_that_leaves_is_dead_at_once(location: KafkaLocation) -> None:
    with processes(location, "a", "b") as (a, b):
        leaving = asyncio.create_task(beating(b))
        await asyncio.to_thread(b.release)
        # The one who judges counts time by heartbeats of its own, and there are none: no lease can run out.
        await until_dead(a, "b")
        leaving.cancel()


async def test_while_the_broker_is_away_nobody_dies_and_everybody_says_why_nothing_is_heard(
    kafka_broker_to_hurt: DevCluster,
) -> None:
    with processes(made_on(kafka_broker_to_hurt), "a", "b") as (a, b):
        going_on = asyncio.create_task(beating(a, b))
        await asyncio.sleep(PAUSE_S)
        kafka_broker_to_hurt.pause(1)
        try:
            async with asyncio.timeout(WITHIN_S):
                while not (a.trouble() and b.trouble()):
                    assert a.alive("b")
                    await asyncio.sleep(0.05)
            assert "has not given back a heartbeat" in a.trouble()
            await asyncio.sleep(2 * LEASE_S)
            assert a.alive("b")
        finally:
            kafka_broker_to_hurt.resume(1)
        async with asyncio.timeout(WITHIN_S):
            while a.trouble() or b.trouble():
                assert a.alive("b")
                assert b.alive("a")
                await asyncio.sleep(0.05)
        going_on.cancel()
        await asyncio.wait({going_on})
        staying = asyncio.create_task(beating(a))
        await until_dead(a, "b")
        staying.cancel()

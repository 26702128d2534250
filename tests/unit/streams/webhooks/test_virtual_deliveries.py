"""Days of deliveries in milliseconds: outages, receivers that ask for patience, dead tenants, dispatchers that die."""

from __future__ import annotations

import asyncio
import statistics
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from domain.webhook.aggregate import ENDPOINT
from domain.webhook.commands import EnableEndpoint
from domain.webhook.events import EndpointDisabled
from domain.webhook.schedule import DELAYS_SECONDS
from domain.webhook.signature import endpoint_id
from streams.webhooks.breaker import FIRST_PAUSE_MS, IN_A_ROW
from streams.webhooks.dispatcher import Limits
from streams.webhooks.sender import Sent
from tests.unit.streams.webhooks.virtual_time import run
from tests.unit.streams.webhooks.world import Arrival, InOrder, World

HOUR = 3600.0
ROUNDS = 60
SHOP = "https://shop.example/hooks"


async def settled(world: World, ids: list[str], within_s: float) -> None:
    """Wait, in virtual time, until none of the messages waits any more."""
    async with asyncio.timeout(within_s):
        await world.until(lambda: all(world.state(id) != "pending" for id in ids))


def test_an_outage_of_three_days_loses_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async def away_for_72_hours(arrival: Arrival) -> Sent:
            return Sent(failure="connect", detail="away") if arrival.at_s < 72 * HOUR else Sent(status=200)

        world = World(tmp_path, away_for_72_hours)
        async with world.dispatching():
            ids = [world.tell(SHOP, f"call-{number % 3}") for number in range(9)]
            await settled(world, ids, 100 * HOUR)
        assert {world.state(id) for id in ids} == {"delivered"}
        InOrder().check(world.arrivals)
        # Probes find out that it is back; then everything goes at once that is due.
        assert max(arrival.at_s for arrival in world.arrivals) <= 72 * HOUR + 1.2 * DELAYS_SECONDS[-1] + HOUR
        world.close()

    run(main())


def test_what_nobody_takes_for_76_hours_is_given_up_with_every_attempt_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async def away(arrival: Arrival) -> Sent:
            return Sent(failure="timeout", detail="no answer")

        world = World(tmp_path, away)
        async with world.dispatching():
            id = world.tell(SHOP)
            await settled(world, [id], 120 * HOUR)
        assert world.state(id) == "dead"
        attempts = world.attempts(id)
        assert [attempt.attempt for attempt in attempts] == list(range(1, len(DELAYS_SECONDS) + 2))
        assert attempts[-1].next_attempt_at is None
        for planned, (before, after) in zip(DELAYS_SECONDS, pairwise(attempts), strict=True):
            pause = (after.started_at - before.started_at).total_seconds()
            assert 0.9 * planned <= pause <= 1.2 * planned + 0.1
        world.close()

    run(main())


def test_a_clock_that_is_ahead_or_was_set_back_delays_no_message(tmp_path: Path) -> None:
    async def main() -> None:
        async def takes(arrival: Arrival) -> Sent:
            return Sent(status=200)

        world = World(tmp_path, takes)
        async with world.dispatching():
            for ahead_s in (HOUR, 0.0, HOUR):
                await settled(world, [world.tell(SHOP, ahead_s=ahead_s), world.tell(SHOP)], 60)
        InOrder().check(world.arrivals)
        assert len(world.arrivals) == 6
        world.close()

    run(main())


def test_a_receiver_that_asks_for_patience_gets_it(tmp_path: Path) -> None:
    async def main() -> None:
        async def busy_once(arrival: Arrival) -> Sent:
            if arrival.attempt == 1:
                return Sent(failure="throttled", status=429, retry_after_seconds=6 * HOUR)
            return Sent(status=200)

        world = World(tmp_path, busy_once)
        async with world.dispatching():
            id = world.tell(SHOP)
            await settled(world, [id], 10 * HOUR)
        first, second = world.attempts(id)
        assert second.started_at - first.started_at >= timedelta(hours=6)
        assert second.started_at - first.started_at <= timedelta(hours=6, minutes=2)
        world.close()

    run(main())


def test_an_endpoint_where_everything_fails_for_five_days_is_given_up_and_its_messages_are_held(tmp_path: Path) -> None:
    async def main() -> None:
        back = False

        async def answer(arrival: Arrival) -> Sent:
            return Sent(status=200) if back else Sent(failure="status", status=500)

        world = World(tmp_path, answer)
        async with world.dispatching():
            for _ in range(6 * 24):
                world.tell(SHOP)
                await asyncio.sleep(HOUR)
            switched = [recorded for recorded in world.events if isinstance(recorded.event, EndpointDisabled)]
            (given_up,) = switched
            first = min(arrival.at_s for arrival in world.arrivals)
            assert (given_up.time - world.now()).total_seconds() + world.seconds - first >= 5 * 24 * HOUR
            before = len(world.arrivals)
            held = world.tell(SHOP)
            await asyncio.sleep(HOUR)
            assert len(world.arrivals) == before
            back = True
            await world.execute(ENDPOINT, endpoint_id("org", "https://shop.example"), EnableEndpoint(org_id="org"))
            await settled(world, [held], HOUR)
        assert world.state(held) == "delivered"
        world.close()

    run(main())


def test_a_live_message_that_comes_too_late_is_let_go(tmp_path: Path) -> None:
    async def main() -> None:
        async def slow(arrival: Arrival) -> Sent:
            await asyncio.sleep(40)
            return Sent(status=200)

        world = World(tmp_path, slow)
        async with world.dispatching():
            first, second = (world.tell(SHOP, "call", patience="live") for _ in range(2))
            await settled(world, [first, second], HOUR)
        # The second one waited for the first, which took longer than it would have told anybody anything.
        assert (world.state(first), world.state(second)) == ("delivered", "stale")
        assert [arrival.id for arrival in world.arrivals] == [first]
        world.close()

    run(main())


async def delays_of_the_living(world: World, *, dead_tenants: int) -> list[float]:
    """Seconds from event to arrival at endpoints that answer, while others' time out."""
    told: dict[str, float] = {}
    async with world.dispatching():
        for round in range(ROUNDS):
            for tenant in range(dead_tenants):
                for number in range(20):
                    world.tell(f"https://dead-{tenant}.example/", f"call-{round}-{number}", org_id=f"dead-{tenant}")
            for tenant in range(3):
                id = world.tell(f"https://shop-{tenant}.example/", f"call-{round}", org_id=f"org-{tenant}")
                told[id] = world.seconds
            await asyncio.sleep(0.25)
        await asyncio.sleep(60)
    arrived = {arrival.id: arrival.at_s for arrival in reversed(world.arrivals)}
    return sorted(arrived[id] - at_s for id, at_s in told.items())


def test_dead_tenants_delay_nobody_else(tmp_path: Path) -> None:
    async def main() -> None:
        async def dead_ones_time_out(arrival: Arrival) -> Sent:
            if "dead" in arrival.url:
                await asyncio.sleep(20)
                return Sent(failure="timeout")
            await asyncio.sleep(0.02)
            return Sent(status=200)

        alone = World(tmp_path / "alone", dead_ones_time_out)
        among = World(tmp_path / "among", dead_ones_time_out)
        expected = await delays_of_the_living(alone, dead_tenants=0)
        found = await delays_of_the_living(among, dead_tenants=4)
        assert len(found) == len(expected) == 3 * ROUNDS
        assert statistics.quantiles(found, n=100)[98] <= 1.05 * statistics.quantiles(expected, n=100)[98]
        alone.close()
        among.close()

    for name in ("alone", "among"):
        (tmp_path / name).mkdir()
    run(main())


def test_no_more_requests_are_under_way_than_allowed_and_a_dead_endpoint_is_soon_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        under_way, most = dict[str, int](), dict[str, int]()

        async def times_out(arrival: Arrival) -> Sent:
            for who in (arrival.url, "all"):
                under_way[who] = under_way.get(who, 0) + 1
                most[who] = max(most.get(who, 0), under_way[who])
            await asyncio.sleep(20)
            for who in (arrival.url, "all"):
                under_way[who] -= 1
            return Sent(failure="timeout")

        world = World(tmp_path, times_out)
        limits = Limits(per_endpoint=5, per_organization=8, total=100)
        async with world.dispatching(limits=limits):
            for number in range(300):
                world.tell(f"https://shop-{number % 3}.example/", f"call-{number}")
            await asyncio.sleep(FIRST_PAUSE_MS / 1000)
            assert max(count for who, count in most.items() if who != "all") == 5
            assert most["all"] == 8
            by_endpoint = [sum(a.url.startswith(f"https://shop-{n}.") for a in world.arrivals) for n in range(3)]
            await asyncio.sleep(20)
            later = [sum(a.url.startswith(f"https://shop-{n}.") for a in world.arrivals) for n in range(3)]
        assert all(count <= IN_A_ROW + 5 for count in by_endpoint)
        assert all(after - before <= 10 for before, after in zip(by_endpoint, later, strict=True))
        world.close()

    run(main())


def test_two_dispatchers_share_endpoints_and_one_goes_on_for_the_other(tmp_path: Path) -> None:
    async def main() -> None:
        async def slowly(arrival: Arrival) -> Sent:
            await asyncio.sleep(0.3)
            return Sent(status=200)

        world = World(tmp_path, slowly)
        ids: list[str] = []
        async with world.dispatching("two"):
            async with world.dispatching("one"):
                for number in range(60):
                    ids.append(world.tell(f"https://shop-{number % 6}.example/", f"call-{number % 12}"))
                    await asyncio.sleep(0.01)
                served = {arrival.url: arrival.by for arrival in world.arrivals}
                assert all(served[arrival.url] == arrival.by for arrival in world.arrivals)
            before = len(world.arrivals)
            await settled(world, ids, HOUR)
        assert {arrival.by for arrival in world.arrivals[before:]} == {"two"}
        assert {world.state(id) for id in ids} == {"delivered"}
        InOrder().check(world.arrivals)
        world.close()

    run(main())


def test_a_fault_of_our_own_holds_up_no_endpoint(tmp_path: Path) -> None:
    async def main() -> None:
        async def broken_at_first(arrival: Arrival) -> Sent:
            if len(world.arrivals) <= 3:
                raise RuntimeError("a bug")
            return Sent(status=200)

        world = World(tmp_path, broken_at_first)
        async with world.dispatching():
            ids = [world.tell(SHOP, f"call-{number}") for number in range(3)]
            await settled(world, ids, HOUR)
        assert {world.state(id) for id in ids} == {"delivered"}
        world.close()

    run(main())


@pytest.mark.parametrize("owner", ["one", "next"])
def test_what_a_dispatcher_left_undone_the_next_one_does_and_no_more(tmp_path: Path, owner: str) -> None:
    async def main() -> None:
        async def slowly(arrival: Arrival) -> Sent:
            await asyncio.sleep(1)
            return Sent(status=200)

        world = World(tmp_path, slowly)
        async with world.dispatching("one"):
            ids = [world.tell(SHOP, f"call-{number % 4}") for number in range(12)]
            await asyncio.sleep(1.5)
        recorded = {id for id in ids if world.attempts(id)}
        assert 0 < len(recorded) < len(ids)
        before = len(world.arrivals)
        async with world.dispatching(owner):
            await settled(world, ids, HOUR)
        assert recorded.isdisjoint(arrival.id for arrival in world.arrivals[before:])
        assert {world.state(id) for id in ids} == {"delivered"}
        world.close()

    run(main())

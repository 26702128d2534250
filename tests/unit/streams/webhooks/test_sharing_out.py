"""Dispatchers come and go: endpoints are shared out anew, and each message still goes out once, in order."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from streams.webhooks.dispatcher import WATCH_MS
from streams.webhooks.sender import Sent
from tests.unit.streams.webhooks.virtual_time import run
from tests.unit.streams.webhooks.world import Arrival, InOrder, World

SHOPS = [f"https://shop-{number}.example/" for number in range(24)]
ROUNDS = 40
WITHIN_S = 600.0


async def slowly(arrival: Arrival) -> Sent:
    await asyncio.sleep(0.3)
    return Sent(status=200)


async def told_to_all(world: World, *, rounds: int = ROUNDS) -> list[str]:
    """Messages for every shop, faster than a call's are taken: something is always under way."""
    ids: list[str] = []
    for _ in range(rounds):
        ids += [world.tell(shop, f"call-{len(ids) % 3}") for shop in SHOPS]
        await asyncio.sleep(0.2)
    return ids


async def delivered(world: World, ids: list[str]) -> None:
    async with asyncio.timeout(WITHIN_S):
        await world.until(lambda: all(world.state(id) == "delivered" for id in ids))


def owners(world: World) -> dict[str, str]:
    return {shop: world.owner_of(shop) for shop in SHOPS}


def test_endpoints_move_to_one_that_joins_and_back_when_it_has_gone(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path, slowly)
        ids: list[str] = []
        async with AsyncExitStack() as all_of_them:
            await all_of_them.enter_async_context(world.dispatching("one"))
            await all_of_them.enter_async_context(world.dispatching("two"))
            world.share_among("one", "two")
            ids += await told_to_all(world)
            before = owners(world)
            async with world.dispatching("three"):
                world.share_among("one", "two", "three")
                ids += await told_to_all(world)
                await delivered(world, ids)
                shared = owners(world)
            world.share_among("one", "two")
            ids += await told_to_all(world)
            after = owners(world)
            await delivered(world, ids)
        assert set(before.values()) == {"one", "two"}
        moved = {shop for shop in SHOPS if shared[shop] != before[shop]}
        assert 2 <= len(moved) <= len(SHOPS) / 2
        assert {shared[shop] for shop in moved} == {"three"}
        assert after == before
        InOrder().check(world.arrivals)
        assert sorted(arrival.id for arrival in world.arrivals) == sorted(ids)
        world.close()

    run(main())


def test_what_is_under_way_keeps_an_endpoint_and_nothing_new_begins_before_it_is_handed_over(tmp_path: Path) -> None:
    async def main() -> None:
        async def taking_20_seconds(arrival: Arrival) -> Sent:
            await asyncio.sleep(20)
            return Sent(status=200)

        world = World(tmp_path, taking_20_seconds)
        async with world.dispatching("one"), world.dispatching("two"):
            first = {shop: world.tell(shop, "call-1") for shop in SHOPS}
            await asyncio.sleep(2)
            before = owners(world)
            world.share_among("one", "two")
            second = {shop: world.tell(shop, "call-2") for shop in SHOPS}
            await delivered(world, [*first.values(), *second.values()])
            after = owners(world)
        by = {arrival.id: arrival for arrival in world.arrivals}
        moved = [shop for shop in SHOPS if before[shop] != after[shop]]
        assert moved
        for shop in moved:
            assert (by[first[shop]].by, by[second[shop]].by) == (before[shop], after[shop])
            assert by[second[shop]].at_s >= by[first[shop]].at_s + 20
        assert len(world.arrivals) == 2 * len(SHOPS)
        world.close()

    run(main())


def test_an_endpoint_is_claimed_by_whoever_it_falls_to_and_by_another_where_that_one_does_not(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path)
        world.share_among("one", "hung")
        async with world.dispatching("one"):
            ids = [world.tell(shop) for shop in SHOPS]
            await asyncio.sleep(WATCH_MS / 2_000)
            at_once = {arrival.url for arrival in world.arrivals}
            await delivered(world, ids)
            served = set(owners(world).values())
        assert 0 < len(at_once) < len(SHOPS)
        assert served == {"one"}
        assert len(world.arrivals) == len(SHOPS)
        world.close()

    run(main())

"""A crowd at the turnstile: one in a turn of the loop, in order, and nobody is kept by one who gave up."""

from __future__ import annotations

import asyncio

from media.call.turnstile import Turnstile
from tests.patience import PATIENCE_S


async def turns(passages: list[asyncio.Task[None]]) -> list[int]:
    """How many passed in each turn of the loop, until all had."""
    passed, counts = 0, []
    while passed < len(passages):
        await asyncio.sleep(0)
        now = sum(passage.done() for passage in passages)
        counts.append(now - passed)
        passed = now
    return counts


async def test_one_passes_in_a_turn_of_the_loop_in_the_order_of_their_coming() -> None:
    turnstile, order = Turnstile(), list[int]()

    async def pass_as(number: int) -> None:
        await turnstile.passed()
        order.append(number)

    passages = [asyncio.create_task(pass_as(number)) for number in range(50)]
    counts = await turns(passages)
    assert max(counts) == 1
    assert order == list(range(50))
    # Nobody waits for much more than those before.
    assert len(counts) <= 3 * 50


async def test_who_gives_up_in_the_line_keeps_nobody_waiting() -> None:
    turnstile = Turnstile()
    passages = [asyncio.create_task(turnstile.passed()) for _ in range(10)]
    await asyncio.sleep(0)
    for passage in passages[::2]:
        passage.cancel()
    async with asyncio.timeout(PATIENCE_S):
        outcomes = await asyncio.gather(*passages, return_exceptions=True)
    assert [outcome is None for outcome in outcomes] == [False, True] * 5

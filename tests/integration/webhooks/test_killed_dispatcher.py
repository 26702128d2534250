"""The delivering process is killed at named points, again and again: nothing is lost, what comes twice is the same."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from infra.identifiers import random_id
from tests.integration.webhooks.receiver import Receiver
from tests.integration.webhooks.system import EACH, WANTED, delivering

POINTS = ("before_send", "after_send", "before_record", "after_record")


async def killed(folder: Path, org_id: str, point: str, times: int) -> None:
    """Run the process until it has killed itself, or everything is delivered and the point is passed no more."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.webhooks.killed", str(folder), org_id, point, str(times)
    )
    try:
        async with asyncio.timeout(60):
            assert await process.wait() < 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def survive(folder: Path, kills: int, calls: int, seed: int) -> tuple[int, int]:
    """Messages and deliveries, after ``calls`` calls between ``kills`` kills."""
    chance, org_id, made = random.Random(seed), random_id(), 0
    async with Receiver() as receiver:
        for number in range(kills):
            # Written by a process that delivers nothing yet, so that the next one has something to die over.
            async with delivering(folder, org_id, paused=True) as system:
                for _ in range(calls):
                    await system.call({"url": receiver.url}, serverMessages=WANTED)
                    made += 1
            point = POINTS[number % len(POINTS)]
            await killed(folder, org_id, point, 1 if "record" in point else chance.randint(1, calls * EACH))
        async with delivering(folder, org_id) as system:
            received = await receiver.until(lambda all: len({one.id for one in all}) == made * EACH, 60)
            await system.attempts(made * EACH)
        receiver.assert_the_same_when_it_comes_twice()
        receiver.assert_in_order()
        return made * EACH, len(received)


async def test_nothing_is_lost_over_a_few_kills(tmp_path: Path) -> None:
    messages, deliveries = await survive(tmp_path, kills=4, calls=3, seed=1)
    assert deliveries >= messages == 4 * 3 * EACH


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10))
async def test_nothing_is_lost_over_many_kills(tmp_path: Path, seed: int) -> None:
    messages, deliveries = await survive(tmp_path, kills=20, calls=4, seed=seed)
    assert deliveries >= messages == 20 * 4 * EACH

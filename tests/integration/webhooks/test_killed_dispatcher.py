"""The delivering process is killed at named points, again and again: nothing is lost, order is kept, and what comes
twice is the same."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.webhook.deliveries import Selection
from infra.identifiers import random_id
from tests.integration.webhooks.receiver import Receiver
from tests.integration.webhooks.system import delivering

MOST_TWICE_PER_KILL = 3 * 20
"""Requests that may be under way, to three endpoints; those of them that were not recorded come again."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be had: a killed process loses nothing that it has written, so that disks prove nothing
    here and cost most of the time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


async def survive(folder: Path, kills: int, seed: int) -> None:
    org_id = random_id()
    async with Receiver(origins=3) as receiver:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.webhooks.killed"),
            *(str(folder), org_id, str(kills), str(seed), *receiver.urls),
            stdout=PIPE,
        )
        said, _ = await process.communicate()
        assert int(said) == kills
        async with delivering(folder, org_id) as system:
            await system.caught_up()
            kept = system.webhooks.deliveries.kept.list(org_id, Selection(), 1_000_000)
            told = {delivery.id for delivery in kept}
            assert len(told) > kills
            received = await receiver.until(lambda all: told <= {one.id for one in all}, 120)
            # The last attempts are recorded too: whatever comes next sends nothing.
            await system.settled()
            assert {delivery.state for delivery in system.webhooks.deliveries.kept.list(org_id, Selection(), 10)} == {
                "delivered"
            }
        assert {one.id for one in received} == told
        times = Counter(one.id for one in received)
        assert sum(times.values()) - len(told) <= MOST_TWICE_PER_KILL * kills
        receiver.assert_the_same_when_it_comes_twice()
        receiver.assert_in_order()


async def test_nothing_is_lost_over_a_few_kills(folder: Path) -> None:
    await survive(folder, kills=12, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_nothing_is_lost_over_many_kills(folder: Path) -> None:
    await survive(folder, kills=200, seed=2)

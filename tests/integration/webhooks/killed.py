"""Processes that deliver and kill themselves at a named point, one after the other, forked from one that is warm.

``python -m tests.integration.webhooks.killed FOLDER ORGANISATION KILLS SEED URL...``: every one of them first has some
calls to tell the servers at the URLs about. Prints how many there were that died as told.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.integration.webhooks.system import EACH, WANTED, delivering

POINTS = ("before_claim", "after_claim", "before_send", "after_send", "before_record", "after_record")
CALLS = 3
LONGEST_LIFE_SECONDS = 120.0


async def live(folder: Path, org_id: str, urls: list[str], point: str, times: int) -> None:
    """Deliver until the point has been passed so often."""
    passed = 0

    def reached(name: str) -> None:
        nonlocal passed
        passed += name == point
        if passed == times:
            os.kill(os.getpid(), signal.SIGKILL)

    async with asyncio.timeout(LONGEST_LIFE_SECONDS), delivering(folder, org_id, reached) as system:
        servers = [{"url": urls[number % len(urls)]} for number in range(CALLS)]
        await asyncio.gather(*(system.call(server, serverMessages=WANTED) for server in servers))
        await asyncio.Event().wait()


def forked(work: Callable[[], Awaitable[None]]) -> int:
    """The signal that ended a child that did it; 0 where it ended by itself."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    try:
        asyncio.run(work())  # type: ignore[arg-type]  # a coroutine, as every caller gives it
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def main(folder: Path, org_id: str, kills: int, seed: int, urls: list[str]) -> int:
    chance, died = random.Random(seed), 0
    for number in range(kills):
        point = POINTS[number % len(POINTS)]
        # Every life claims each endpoint, tells of its own calls at least, and records what came of it.
        times = chance.randint(1, CALLS * EACH) if "send" in point else 1
        died += forked(lambda point=point, times=times: live(folder, org_id, urls, point, times)) == signal.SIGKILL  # type: ignore[misc]  # a lambda's default has no type
    return died


if __name__ == "__main__":
    _, folder, org_id, kills, seed, *urls = sys.argv
    print(main(Path(folder), org_id, int(kills), int(seed), urls))

"""A process that delivers until it is told to die at a named point: ``python -m tests.integration.webhooks.killed``.

Arguments: data folder, organisation, the point, and how often it must be passed before the process kills itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.integration.webhooks.system import delivering


async def deliver(folder: Path, org_id: str, point: str, times: int) -> None:
    passed = 0

    def reached(name: str) -> None:
        nonlocal passed
        passed += name == point
        if passed == times:
            os.kill(os.getpid(), signal.SIGKILL)

    async with delivering(folder, org_id, reached):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(deliver(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))

"""A process that delivers until it is stopped: ``python -m tests.integration.webhooks.dispatching FOLDER LOG``.

It says so in a line when it begins to.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.integration.webhooks.system import delivering


async def deliver(folder: Path, log: str) -> None:
    async with delivering(folder, log=log, kafka_replication=1):
        print("delivering", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(deliver(Path(sys.argv[1]), sys.argv[2]))

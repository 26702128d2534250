"""The reaper of a process that serves no calls: a call gets its end also when the last media process has died."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from infra.identifiers import now
from infra.storage import Storage
from media.call.leases import keep_alive
from media.call.reaper import Reaper

REAP_SECONDS = 1.0
"""How often a process looks for calls whose owner has died."""


@contextlib.asynccontextmanager
async def watching_leases(storage: Storage, *, connect_within_s: float) -> AsyncIterator[None]:
    """End calls whose owners have died, and calls that nobody connects to, for as long as the context lasts.

    What a dead process left of its recordings is on its own disk, for the next media process there.
    """
    reaper = Reaper(
        storage.log,
        storage.log,
        storage.leases,
        serving=frozenset,
        clock=now,
        connect_within_s=connect_within_s,
        every_s=REAP_SECONDS,
    )
    await asyncio.to_thread(storage.leases.beat)
    work = (keep_alive(storage.leases, storage.lease_seconds / 4), reaper.run())
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(task, name="leases") for task in work]
            yield
            for task in tasks:
                task.cancel()
    finally:
        storage.leases.release()

"""The reaper of a process that serves no calls: a call gets its end also when the last media process has died."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.identifiers import now
from infra.storage import Storage
from media.call.leases import keep_alive
from media.call.left_behind import LeftBehind, spool_folder
from media.call.reaper import Reaper

REAP_SECONDS = 1.0
"""How often a process looks for calls whose owner has died."""


@contextlib.asynccontextmanager
async def watching_leases(storage: Storage, live: Path, *, connect_within_s: float) -> AsyncIterator[None]:
    """End calls whose owners have died, and calls that nobody connects to, for as long as the context lasts.

    What a dead process of this machine could not bring to the log any more stands under ``live`` and is brought there
    first. Its recordings wait for the next media process.
    """
    thread = ThreadPoolExecutor(1, "left-behind")
    reaper = Reaper(
        storage.log,
        storage.log,
        storage.leases,
        serving=frozenset,
        left_behind=LeftBehind(spool_folder(live), storage.log, storage.fragments, thread).look,
        clock=now,
        connect_within_s=connect_within_s,
        every_s=REAP_SECONDS,
    )
    await asyncio.to_thread(storage.leases.beat)
    work = (keep_alive(storage.leases, storage.lease_seconds / 4), reaper.run())
    failed: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(task, name="leases") for task in work]
            try:
                yield
            except Exception as error:
                # The group is for what goes wrong in its tasks; the block's own errors are the block's.
                failed = error
            for task in tasks:
                task.cancel()
        if failed is not None:
            raise failed
    finally:
        thread.shutdown()
        storage.leases.release()

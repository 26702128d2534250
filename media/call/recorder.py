"""Writes a call's recording to its file while the call runs, off the loop, whatever the disk does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from media.audio.recording import Recording
from media.call.call_clock import CallClock

PERIOD_S = 1.0


async def write_along(
    recording: Recording, clock: CallClock, files: Executor, warn: Callable[[str, str], None]
) -> None:
    """For ever: every second what cannot change any more. ``warn`` hears when the disk begins to take nothing."""
    loop = asyncio.get_running_loop()
    failing = False
    due_s = loop.time()
    while True:
        # On a schedule of its own, so that calls which were late together do not stay together.
        due_s += PERIOD_S
        await asyncio.sleep(due_s - loop.time())
        data = recording.advance(clock.now_ms())
        try:
            await loop.run_in_executor(files, recording.write, data)
        except OSError as error:
            # No room on the disk is no reason to hang up on anybody; there may be some in a second.
            if not failing:
                warn("recording-stopped", f"the recording is silent until it can be written: {error.strerror or error}")
            failing = True
        else:
            failing = failing and not data

"""What SIGTERM and Ctrl-C mean to a process of an installation."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator

logger = logging.getLogger(__name__)

_FORCED = 130


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event set by the first SIGTERM or SIGINT; the second one ends the process where it stands.

    Ending at once is safe: what was acknowledged is on disk, and calls that were running are ended by other processes
    or by the next start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopped() -> None:
        if stop.is_set():
            logger.warning("system.forced")
            os._exit(_FORCED)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

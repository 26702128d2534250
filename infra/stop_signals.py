"""What SIGTERM, Ctrl-C and a terminal that is closed mean to a process of an installation."""

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
    """An event set by the first SIGTERM, SIGINT or SIGHUP; a second SIGTERM or SIGINT ends the process where it stands.

    Ending at once is safe: what was acknowledged is on disk, and calls that were running are ended by other processes
    or by the next start. A SIGHUP that is ignored, as under ``nohup``, stays so.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            logger.warning("system.forced")
            os._exit(_FORCED)
        stop.set()

    handled = {signal.SIGTERM: told, signal.SIGINT: told}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # A closed terminal may send it more than once: from the kernel, and from the shell.
        handled[signal.SIGHUP] = stop.set
    for number, handler in handled.items():
        loop.add_signal_handler(number, handler)
    try:
        yield stop
    finally:
        for number in handled:
            loop.remove_signal_handler(number)

"""``callfold up``: own the data folder, run everything, say where it is, and drain when told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from domain.log.ports import LogUnavailable
from domain.organization.founding import Founding
from infra import logging as log_lines
from infra.data_folder import DataFolder, FolderInUse, FolderUnusable, RunningSystem
from infra.http_server import CannotListen, listen, serving
from infra.settings import Settings
from infra.wiring import System, run_system
from media.providers.errors import ProviderError
from projections.store import StoreUnavailable

logger = logging.getLogger(__name__)

_LOCK_WAIT_SECONDS = 5.0
"""A short command (`callfold calls ls`) may hold the folder for a moment."""

_FORCED = 130

FAILURES = (CannotListen, FolderInUse, FolderUnusable, LogUnavailable, ProviderError, StoreUnavailable)
"""Why a system does not start; each says what to do in one sentence."""


@dataclass(frozen=True, slots=True)
class Started:
    """What people and programs are told when the system answers. ``organization`` only at a folder's first start."""

    url: str
    pid: int
    data_dir: str
    organization: Founding | None


def serve(settings: Settings, on_started: Callable[[Started], None]) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises one of ``FAILURES`` when it cannot start."""
    import uvloop

    log_lines.configure(settings.log_level, settings.log_format)
    os.umask(0o077)  # recordings and databases are for the owner's eyes only, whichever library makes the file
    folder = DataFolder(settings.data_dir.absolute())
    with folder.own(wait_seconds=_LOCK_WAIT_SECONDS):
        uvloop.run(_serve(settings, folder, on_started))


async def _serve(settings: Settings, folder: DataFolder, on_started: Callable[[Started], None]) -> None:
    with _stop_signals() as stop, listen(settings.host, settings.port) as listener:
        url = settings.base_url(listener.getsockname()[1])
        local_url = settings.model_copy(update={"public_url": ""}).base_url(listener.getsockname()[1])
        running = RunningSystem(os.getpid(), local_url, secrets.token_urlsafe(32))
        async with run_system(settings, folder, public_url=url, operator_token=running.operator_token) as system:
            organization = await system.first_organization()
            async with serving(system.app, listener):
                folder.announce(running)
                on_started(Started(url, running.pid, str(folder.root), organization))
                logger.info("system.ready", extra={"url": url, "data_dir": str(folder.root)})
                await stop.wait()
                await _drain(system, settings.drain_seconds)
    logger.info("system.stopped")


async def _drain(system: System, timeout_s: float) -> None:
    logger.info("system.draining", extra={"calls": system.live_calls.active(), "timeout_s": timeout_s})
    await system.drain(timeout_s)
    logger.info("system.drained", extra={"calls": system.live_calls.active()})


@contextlib.contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """An event set by the first SIGTERM or SIGINT; the second one ends the process where it stands.

    Ending at once is safe: what was acknowledged is on disk, and calls that were running are ended by the next start.
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

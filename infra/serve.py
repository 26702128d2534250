"""A process of an installation from start to stop: take a seat, run the role, say where it is, drain when told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from domain.log.ports import LogUnavailable
from domain.organization.founding import Founding
from infra import logging as log_lines
from infra.arrivals import arriving
from infra.data_folder import DataFolder, FolderInUse, FolderUnusable, RunningSystem, Seat
from infra.http_server import CannotListen, listen, serving
from infra.observed import opened_projector, opened_streamer
from infra.roles import Addresses, Role, RoleUnfit, check, seated
from infra.settings import Settings
from infra.wiring import System, run_system
from media.providers.errors import ProviderError
from projections.store import StoreUnavailable

logger = logging.getLogger(__name__)

_FORCED = 130

FAILURES = (CannotListen, FolderInUse, FolderUnusable, LogUnavailable, ProviderError, RoleUnfit, StoreUnavailable)
"""Why a process does not start; each says what to do in one sentence."""


@dataclass(frozen=True, slots=True)
class Started:
    """What people and programs are told when the process answers. ``organization`` only at an installation's first
    start."""

    role: Role
    url: str
    pid: int
    data_dir: str
    organization: Founding | None


def serve(
    settings: Settings,
    on_started: Callable[[Started], None],
    role: Role = "up",
    *,
    channel: socket.socket | None = None,
) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises one of ``FAILURES`` when it cannot start.

    Over ``channel`` a media worker gets the connections that its supervisor has accepted on the settings' port; it then
    listens for the other processes on a port of its own, and drains too when the supervisor has gone.
    """
    import uvloop

    log_lines.configure(settings.log_level, settings.log_format)
    check(role, settings)
    os.umask(0o077)  # recordings and databases are for the owner's eyes only, whichever library makes the file
    with seated(role, DataFolder(settings.data_dir.absolute())) as seat:
        if role in ("project", "stream"):
            uvloop.run(_observed(settings, seat, role, on_started))
        else:
            uvloop.run(_serve(settings, seat, role, on_started, channel))


async def _serve(
    settings: Settings, seat: Seat, role: Role, on_started: Callable[[Started], None], channel: socket.socket | None
) -> None:
    with stop_signals() as stop, listen(settings.host, 0 if channel else settings.port) as listener:
        own_port = listener.getsockname()[1]
        addresses = Addresses.of(settings, public_port=settings.port if channel else own_port, own_port=own_port)
        running = RunningSystem(os.getpid(), addresses.local_url, secrets.token_urlsafe(32), role)
        token = running.operator_token
        async with run_system(settings, seat, role, addresses=addresses, operator_token=token) as system:
            organization = None if role == "media" else await system.first_organization()
            async with contextlib.AsyncExitStack() as open_to:
                take = await open_to.enter_async_context(serving(system.app, listener))
                if channel is not None:
                    arrivals = arriving(channel, take, system.live_calls.room, deserted=stop.set)
                    await open_to.enter_async_context(arrivals)
                seat.announce(running)
                on_started(Started(role, addresses.public_url, running.pid, str(seat.folder.root), organization))
                logger.info("system.ready", extra={"role": role, "url": addresses.public_url, "seat": seat.name})
                await stop.wait()
                await _drain(system, settings.drain_seconds)
    logger.info("system.stopped")


async def _observed(settings: Settings, seat: Seat, role: Role, on_started: Callable[[Started], None]) -> None:
    opened = opened_projector if role == "project" else opened_streamer
    with stop_signals() as stop, listen(settings.host, settings.port) as listener:
        url = settings.local_url(listener.getsockname()[1])
        running = RunningSystem(os.getpid(), url, secrets.token_urlsafe(32), role)
        async with (
            opened(settings, seat, url=url, token=running.operator_token) as process,
            serving(process.app, listener),
        ):
            seat.announce(running)
            on_started(Started(role, url, running.pid, str(seat.folder.root), None))
            logger.info("system.ready", extra={"role": role, "url": url, "seat": seat.name})
            stopped, failed = asyncio.create_task(stop.wait()), asyncio.ensure_future(process.failed())
            await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                await failed
            for waiting in (stopped, failed):
                waiting.cancel()
            await process.drain(settings.drain_seconds)
    logger.info("system.stopped")


async def _drain(system: System, timeout_s: float) -> None:
    logger.info("system.draining", extra={"calls": system.live_calls.active(), "timeout_s": timeout_s})
    await system.drain(timeout_s)
    logger.info("system.drained", extra={"calls": system.live_calls.active()})


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

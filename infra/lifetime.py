"""A process that has its seat and its address: run the role, say where it is, and drain when told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable

import uvloop

from infra.arrivals import arriving
from infra.data_folder import RunningSystem, Seat
from infra.http_server import serving
from infra.observed import opened_projector, opened_streamer
from infra.roles import Addresses, Role, Started
from infra.settings import Settings
from infra.starting import Starting
from infra.stop_signals import stop_signals
from infra.wiring import System, run_system

logger = logging.getLogger(__name__)


def run(
    settings: Settings,
    seat: Seat,
    start: Starting,
    role: Role,
    on_started: Callable[[Started], None],
    channel: socket.socket | None,
) -> None:
    """Until SIGTERM or SIGINT, then drain. Raises what ``infra.serve.serve`` names."""
    if role in ("project", "stream"):
        uvloop.run(_observed(settings, seat, start, role, on_started))
    else:
        uvloop.run(_serve(settings, seat, start, role, on_started, channel))


async def _serve(
    settings: Settings,
    seat: Seat,
    start: Starting,
    role: Role,
    on_started: Callable[[Started], None],
    channel: socket.socket | None,
) -> None:
    with stop_signals() as stop:
        own_port = start.listener.getsockname()[1]
        addresses = Addresses.of(settings, public_port=settings.port if channel else own_port, own_port=own_port)
        running = RunningSystem(os.getpid(), addresses.local_url, secrets.token_urlsafe(32), role)
        token = running.operator_token
        async with run_system(settings, seat, role, addresses=addresses, operator_token=token) as system:
            organization = None if role == "media" else await system.first_organization()
            async with contextlib.AsyncExitStack() as open_to:
                start.over()
                take = await open_to.enter_async_context(serving(system.app, start.listener))
                if channel is not None:
                    arrivals = arriving(channel, take, system.live_calls.room, deserted=stop.set)
                    await open_to.enter_async_context(arrivals)
                seat.announce(running)
                on_started(Started(role, addresses.public_url, running.pid, str(seat.folder.root), organization))
                logger.info("system.ready", extra={"role": role, "url": addresses.public_url, "seat": seat.name})
                await stop.wait()
                await _drain(system, settings.drain_seconds)
    logger.info("system.stopped")


async def _observed(
    settings: Settings, seat: Seat, start: Starting, role: Role, on_started: Callable[[Started], None]
) -> None:
    opened = opened_projector if role == "project" else opened_streamer
    with stop_signals() as stop:
        url = settings.local_url(start.listener.getsockname()[1])
        running = RunningSystem(os.getpid(), url, secrets.token_urlsafe(32), role)
        async with contextlib.AsyncExitStack() as parts:
            process = await parts.enter_async_context(opened(settings, seat, url=url, token=running.operator_token))
            start.over()
            await parts.enter_async_context(serving(process.app, start.listener))
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

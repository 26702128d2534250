"""``callfold media --workers N``: processes that take calls from one port, each started again when it dies.

The supervisor accepts whoever comes and gives each connection to the worker with the most room for calls
(``infra.arrivals``). Control of a call can arrive at any of them and is forwarded to the one that serves it, as between
machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from infra import logging as log_lines
from infra.arrivals import Dispatcher
from infra.listening import listen
from infra.roles import RoleUnfit, Started, check
from infra.settings import Settings
from infra.starting import starting
from infra.stop_signals import stop_signals

logger = logging.getLogger(__name__)

_LEAST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 0.5, 30.0
"""Before a worker that died is started again; doubles while it keeps dying before it was ready."""
_EXTRA_STOP_SECONDS = 10.0


def supervise(settings: Settings, on_started: Callable[[Started], None], *, workers: int) -> None:
    """Run until SIGTERM or SIGINT, then let the workers drain. Raises ``CannotListen`` and ``RoleUnfit``."""
    log_lines.configure(settings.log_level, settings.log_format)
    check("media", settings)
    asyncio.run(_supervise(settings, on_started, workers))


async def _supervise(settings: Settings, on_started: Callable[[Started], None], workers: int) -> None:
    with stop_signals() as stop, listen(settings.host, settings.port) as listener, starting(listener) as start:
        port, dispatcher = listener.getsockname()[1], Dispatcher(listener)
        staff = [_Worker(number, settings, port, dispatcher, stop) for number in range(1, workers + 1)]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in staff:
                    group.create_task(worker.keep(), name=f"worker-{worker.number}")
                for worker in staff:
                    await worker.settled.wait()
                start.over()
                if not stop.is_set():
                    accepting = group.create_task(dispatcher.run(), name="dispatcher")
                    url = settings.media_url or settings.base_url(port)
                    on_started(Started("media", url, os.getpid(), str(settings.data_dir.absolute()), None))
                    logger.info("system.ready", extra={"role": "media", "url": url, "workers": workers})
                    await stop.wait()
                    accepting.cancel()
                    await asyncio.wait((accepting,))
                listener.close()  # who comes while the workers drain is refused, and waits for nobody
        except* RoleUnfit as failed:
            raise failed.exceptions[0] from None
    logger.info("system.stopped")


@dataclass(slots=True)
class _Worker:
    """One worker, whichever process it is at present."""

    number: int
    settings: Settings
    port: int
    dispatcher: Dispatcher
    stop: asyncio.Event
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has served, or will not any more."""

    async def keep(self) -> None:
        """Have the worker run until told to stop. Raises ``RoleUnfit`` when it does not even start once."""
        try:
            await self._keep()
        finally:
            self.settled.set()

    async def _keep(self) -> None:
        pause_s = _LEAST_PAUSE_SECONDS
        while not self.stop.is_set():
            process = await self._start()
            if await self._announced(process):
                self.settled.set()
                pause_s = _LEAST_PAUSE_SECONDS
            elif not self.settled.is_set() and not self.stop.is_set():
                raise RoleUnfit("a media worker did not start; its own error line says why")
            await self._until_over(process)
            if self.stop.is_set():
                return
            logger.warning("worker.died", extra={"worker": self.number, "status": process.returncode})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self.stop.wait()
            pause_s = min(pause_s * 2, _MOST_PAUSE_SECONDS)

    async def _start(self) -> asyncio.subprocess.Process:
        folder = str(self.settings.data_dir.absolute())
        with self.dispatcher.open_desk() as channel:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "infra.cli", "media", "--json", "--data-dir", folder),
                *("--host", self.settings.host, "--port", str(self.port), "--channel-fd", str(channel.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(channel.fileno(),),
                # Ctrl-C is for the supervisor, which passes it on once.
                start_new_session=True,
            )

    async def _announced(self, process: asyncio.subprocess.Process) -> bool:
        assert process.stdout is not None
        line = asyncio.create_task(process.stdout.readline())
        stopped = asyncio.create_task(self.stop.wait())
        await asyncio.wait({line, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in (line, stopped):
            task.cancel()
        return line.done() and not line.cancelled() and bool(line.result())

    async def _until_over(self, process: asyncio.subprocess.Process) -> None:
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                process.terminate()
                await asyncio.wait({ended}, timeout=self.settings.drain_seconds + _EXTRA_STOP_SECONDS)
        finally:
            stopped.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()

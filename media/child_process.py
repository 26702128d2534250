"""Processes that a media process starts for itself, on pipes: speech workers, code of tenants.

The loop's own way to start a process forks, and this process may hold the analytics engine, whose threads' locks a
forked child would wait for; the loop waits for the child. ``subprocess`` uses vfork, which copies nothing (PEP 446's
closing of descriptors included), and runs in a thread here, so that no call waits for it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class ChildProcess:
    """A running process. ``exited`` is set at its end; its output may end earlier or, held by a grandchild, later."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.exited = asyncio.Event()
        self._process = process
        self._input: asyncio.WriteTransport | None = None
        self._output: asyncio.ReadTransport | None = None

    @property
    def pid(self) -> int:
        """Process id; another process may have it once ``exited`` is set."""
        return self._process.pid

    @property
    def pending_bytes(self) -> int:
        """Bytes written that the process has not taken yet."""
        return self._input.get_write_buffer_size() if self._input is not None else 0

    def write(self, data: bytes) -> None:
        """To its standard input; dropped when that is closed."""
        if self._input is not None and not self._input.is_closing():
            self._input.write(data)

    def close_input(self) -> None:
        """After what has been written; a worker takes it as the order to leave."""
        if self._input is not None:
            self._input.close()

    def kill(self) -> None:
        """End it at once; ``exited`` follows."""
        self._process.kill()

    async def end(self, within_s: float) -> None:
        """Close its input and wait for it; kill it when it takes longer."""
        self.close_input()
        try:
            async with asyncio.timeout(within_s):
                await self.exited.wait()
        except TimeoutError:
            self.kill()
            await self.exited.wait()
        finally:
            self.drop()

    def drop(self) -> None:
        """Kill it if it still runs, and let go of its pipes."""
        if not self.exited.is_set():
            self.kill()
        for pipe in (self._input, self._output):
            if pipe is not None:
                pipe.close()

    async def _attach(self, output: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        descriptor = os.pidfd_open(self._process.pid)
        loop.add_reader(descriptor, self._reap, descriptor)
        self._input, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        self._output, _ = await loop.connect_read_pipe(lambda: _Output(output, ended), self._process.stdout)

    def _reap(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        self._process.wait()
        self.exited.set()


async def start_child(
    command: Sequence[str],
    *,
    output: Callable[[bytes], None],
    output_ended: Callable[[], None],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> ChildProcess:
    """Start ``command``; ``output`` gets what it writes as it comes, then ``output_ended`` is called once.

    ``quiet`` throws its standard error away, else it is ours; ``environment`` stands in place of ours. Raises
    ``OSError`` where there is no such program.
    """

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - the callers' own programs
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            cwd=folder,
            env=environment,
            start_new_session=quiet,
        )

    starting = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_end_unwanted)
        raise
    child = ChildProcess(process)
    try:
        await child._attach(output, output_ended)
    except BaseException:
        child.drop()
        raise
    return child


def _end_unwanted(starting: asyncio.Future[subprocess.Popen[bytes]]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        with starting.result() as process:
            process.kill()


class _Output(asyncio.Protocol):
    def __init__(self, received: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._received = received
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()

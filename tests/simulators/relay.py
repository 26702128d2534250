"""A TCP relay whose plug can be pulled: what stands behind it dies, hangs, and comes back, at one address."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Relay:
    """``target`` is where connections are passed on to: ``host:port``, changed when another server takes over."""

    def __init__(self) -> None:
        self.target = ""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def stand_before(self, url: str) -> None:
        """Pass connections on to the server of ``url``."""
        self.target = urlsplit(url).netloc

    async def plug_in(self) -> None:
        """Take connections, at the same port as before."""
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """As a killed process: every connection is reset, and none is taken any more."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """As a stopped process: connections are taken and nothing comes of them."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._flows.wait()
            host, _, port = self.target.partition(":")
            there, back = await asyncio.open_connection(host, int(port))
            self._writers.add(back)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._copy(reader, back))
                    both.create_task(self._copy(there, writer))
            finally:
                back.transport.abort()
                self._writers.discard(back)
        writer.transport.abort()
        self._writers.discard(writer)
        self._tasks.discard(task)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
            sink.write_eof()


@contextlib.asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    """One that takes connections until its plug is pulled."""
    made = Relay()
    await made.plug_in()
    try:
        yield made
    finally:
        made.thaw()
        await made.pull()

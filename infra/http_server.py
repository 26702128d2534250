"""uvicorn as a part of a larger process: it serves one socket, and leaves signals and log set-up to others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import cast

import uvicorn
from fastapi import FastAPI

from infra.call_protocol import CallProtocol
from infra.http_protocol import BoundedHttpProtocol
from infra.listening import WAITING, CannotListen


class _Server(uvicorn.Server):
    """The process decides what a signal means: calls are drained before connections are closed."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def take(self, connection: socket.socket) -> None:
        """Serve a connection that another process has accepted. Raises ``OSError`` where it is gone."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # uvicorn types its protocols by what all of asyncio's have in common.
        make = cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class)
        protocol = make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.accepting.set()


@contextlib.asynccontextmanager
async def serving(app: FastAPI, *listeners: socket.socket) -> AsyncIterator[Callable[[socket.socket], Awaitable[None]]]:
    """Answer on ``listeners`` inside the context; open connections get a moment to finish when it ends.

    What it gives takes connections that were accepted elsewhere. Raises ``CannotListen``.
    """
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws=CallProtocol,
        ws_ping_interval=None,  # a call sends audio every 20 ms; its own watchdog notices a peer that has gone
        ws_per_message_deflate=False,  # audio does not compress
        log_config=None,
        access_log=False,
        lifespan="on",
        backlog=WAITING,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=list(listeners)), name="http server")
    ready = asyncio.create_task(server.accepting.wait())
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if not server.accepting.is_set():
        ready.cancel()
        await task
        raise CannotListen("the HTTP server ended while it started; see the log lines above")
    try:
        yield server.take
    finally:
        server.should_exit = True
        await task

"""A real HTTP server on a free port of this machine, for clients that know nothing but its URL."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

START_SECONDS = 60
"""Long, for busy machines."""


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """A bound socket and the URL that reaches it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound, f"http://127.0.0.1:{bound.getsockname()[1]}"


class AnnouncingServer(uvicorn.Server):
    """Says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()


@contextmanager
def serving(app: FastAPI, bound: socket.socket) -> Iterator[None]:
    """Serve ``app`` in a thread until the block ends."""
    server = AnnouncingServer(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    try:
        if not server.serving.wait(START_SECONDS):
            raise TimeoutError(f"the server did not start within {START_SECONDS} s")
        yield
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)

"""What a process answers while it starts: that it lives, and that it is not ready.

Loading every part takes seconds, and reading a log on Kafka can take minutes. Connections that wait so long look to a
load balancer like a server that hangs, and to an orchestrator like one to be killed. Where no event loop runs yet, or
one that is busy opening files, a thread with a loop of its own answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

import msgspec

from infra.listening import WAITING

_REASON: Final = "the server is starting"
_PATIENCE_SECONDS: Final = 5.0
"""For a request's head to come, and for the client to take the answer."""
_LONGEST_HEAD_BYTES: Final = 64 * 1024
_PARTING_SECONDS: Final = 0.5
"""For those that have come when the start is over."""


@dataclass(slots=True)
class Starting:
    """Answers on a listening socket from ``begin`` until ``over``."""

    listener: socket.socket
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self) -> None:
        """Answer from now on, in a thread."""
        self._thread = threading.Thread(target=self._answer, name="starting", daemon=True)
        self._thread.start()

    def over(self) -> None:
        """Leave further connections to somebody else, and soon close those whose requests do not come. May be called
        again."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()
            self._thread = None

    def _answer(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        # Closing a server closes its socket; another name of it stays open.
        server = await asyncio.start_server(
            self._come, sock=self.listener.dup(), backlog=WAITING, limit=_LONGEST_HEAD_BYTES
        )
        await self._over.wait()
        server.close()
        if self._open:
            await asyncio.wait(self._open, timeout=_PARTING_SECONDS)
        # Those that are left end with the loop.

    def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(_turn_away(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)


@contextlib.contextmanager
def starting(listener: socket.socket) -> Iterator[Starting]:
    """Answer for a process that starts, until it says that this is ``over``, or fails."""
    answering = Starting(listener)
    answering.begin()
    try:
        yield answering
    finally:
        answering.over()


async def _turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer_to(head))
            await writer.drain()
            writer.write_eof()
            # Closed with something unread, the connection would be reset and the answer lost.
            while await reader.read(_LONGEST_HEAD_BYTES):
                pass


def answer_to(head: bytes) -> bytes:
    """The whole response to a request with this head, in the shapes that the running server has for it."""
    method, _, rest = head.partition(b" ")
    path = rest.split(b" ", 1)[0].partition(b"?")[0]
    running = version("callfold")
    status = "503 Service Unavailable"
    body: dict[str, str | int]
    match path:
        case b"/health/live":
            status, body = "200 OK", {"status": "live", "version": running}
        case b"/health" | b"/health/ready":
            body = {"status": "not-ready", "reason": _REASON, "version": running}
        case _:
            body = {"message": _REASON, "error": "Service Unavailable", "statusCode": 503}
    content = msgspec.json.encode(body)
    fields = f"content-type: application/json\r\ncontent-length: {len(content)}\r\nretry-after: 1\r\nconnection: close"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + (b"" if method == b"HEAD" else content)

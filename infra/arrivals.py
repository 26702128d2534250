"""Connections that one process accepts and others serve: each goes to the worker with the most room for calls.

A connection travels as a file descriptor over a pair of local sockets (``SCM_RIGHTS``, unix(7)): nothing of it passes
through the process that accepted it, which may die without ending a call. The other way each worker says how many more
calls it would take.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

logger = logging.getLogger(__name__)

_ROOM: Final = struct.Struct(">I")
_CONNECTION: Final = b"c"
_MOST_AT_ONCE: Final = 64
REPORT_SECONDS: Final = 0.05
"""How often a worker looks whether its room has changed."""
SETTLING_SECONDS: Final = 0.5
"""How long a connection takes of its worker's room before the worker's own word is believed to count it."""
_ACCEPT_PAUSE_SECONDS: Final = 0.5
"""After the kernel refused a connection, for want of file descriptors for example."""


@dataclass(slots=True, eq=False)
class Desk:
    """A worker as the process that accepts sees it. ``given`` are the instants of connections just given to it."""

    channel: socket.socket
    room: int = 0
    given: deque[float] = field(default_factory=deque)
    rest: bytes = b""

    def free(self, now_s: float) -> int:
        """Its room, less what is on its way there."""
        while self.given and now_s - self.given[0] > SETTLING_SECONDS:
            self.given.popleft()
        return self.room - len(self.given)


def by_room(desks: Sequence[Desk], now_s: float) -> list[Desk]:
    """Who should get the next connection, first choice first; among equals who got none for longest."""
    return sorted(desks, key=lambda desk: (-desk.free(now_s), desk.given[-1] if desk.given else 0.0))


class Dispatcher:
    """Accepts on ``listener`` and gives away. ``run`` is its task."""

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._desks: list[Desk] = []
        self._attended = asyncio.Event()

    def open_desk(self) -> socket.socket:
        """The worker's end of a channel, to be handed to it and closed here.

        The worker gets connections from when it has said what room it has until it closes its end or dies.
        """
        near, far = socket.socketpair()
        near.setblocking(False)
        asyncio.get_running_loop().add_reader(near, self._told, Desk(near))
        return far

    async def run(self) -> None:
        """For as long as it is not cancelled. Nothing is accepted while no worker serves."""
        loop = asyncio.get_running_loop()
        while True:
            await self._attended.wait()
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                logger.warning("connection.not_accepted", extra={"reason": error.strerror or str(error)})
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            with connection:
                self._give(connection)

    def _give(self, connection: socket.socket) -> None:
        now_s = monotonic()
        for desk in by_room(self._desks, now_s):
            try:
                socket.send_fds(desk.channel, [_CONNECTION], [connection.fileno()])
            except BlockingIOError:
                continue  # it does not take what it was given already
            except OSError:
                self._close(desk)
                continue
            desk.given.append(now_s)
            return
        logger.warning("connection.not_given", extra={"reason": "no worker takes connections"})

    def _told(self, desk: Desk) -> None:
        try:
            told = desk.channel.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            told = b""
        if not told:
            self._close(desk)
            return
        desk.rest += told
        whole = len(desk.rest) // _ROOM.size * _ROOM.size
        if whole:
            (desk.room,) = _ROOM.unpack_from(desk.rest, whole - _ROOM.size)
            desk.rest = desk.rest[whole:]
            if desk not in self._desks:
                self._desks.append(desk)
                self._attended.set()

    def _close(self, desk: Desk) -> None:
        asyncio.get_running_loop().remove_reader(desk.channel)
        desk.channel.close()
        if desk in self._desks:
            self._desks.remove(desk)
        if not self._desks:
            self._attended.clear()


@contextlib.asynccontextmanager
async def arriving(
    channel: socket.socket,
    serve: Callable[[socket.socket], Awaitable[None]],
    room: Callable[[], int],
    deserted: Callable[[], None],
) -> AsyncIterator[None]:
    """Have ``serve`` take what comes over the channel, and say how much ``room`` there is, inside the context.

    ``deserted`` is called when the process that accepts has gone.
    """
    channel.setblocking(False)
    loop = asyncio.get_running_loop()
    failed: Exception | None = None
    async with asyncio.TaskGroup() as group:
        loop.add_reader(channel, _arrived, channel, lambda each: group.create_task(_served(serve, each)), deserted)
        reporting = group.create_task(_report(channel, room), name="room")
        try:
            yield
        except Exception as error:
            # The group is for what goes wrong in its tasks; the block's own errors are the block's.
            failed = error
        finally:
            loop.remove_reader(channel)
            reporting.cancel()
            channel.close()
    if failed is not None:
        raise failed


def _arrived(channel: socket.socket, serve: Callable[[socket.socket], object], deserted: Callable[[], None]) -> None:
    try:
        told, descriptors, _, _ = socket.recv_fds(channel, _MOST_AT_ONCE, _MOST_AT_ONCE)
    except BlockingIOError:
        return
    except OSError:
        told, descriptors = b"", []
    for descriptor in descriptors:
        serve(socket.socket(fileno=descriptor))
    if not told:
        asyncio.get_running_loop().remove_reader(channel)
        deserted()


async def _served(serve: Callable[[socket.socket], Awaitable[None]], connection: socket.socket) -> None:
    try:
        await serve(connection)
    except OSError as error:
        # Who connected has gone before anybody could answer.
        logger.info("connection.gone", extra={"reason": error.strerror or str(error)})
        connection.close()


async def _report(channel: socket.socket, room: Callable[[], int]) -> None:
    said: int | None = None
    while True:
        now = max(0, room())
        if now != said:
            try:
                channel.send(_ROOM.pack(now))
            except BlockingIOError:
                pass  # it is told as soon as it listens again
            except OSError:
                return  # nobody is there any more, which the reader notices too
            else:
                said = now
        await asyncio.sleep(REPORT_SECONDS)

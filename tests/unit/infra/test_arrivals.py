"""Connections that one process accepts and others serve: who gets which, and what becomes of them when one dies."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.arrivals import SETTLING_SECONDS, Desk, Dispatcher, arriving, by_room
from infra.listening import listen
from tests.patience import PATIENCE_S


@dataclass
class Worker:
    """Serves a connection by saying its name. ``calls`` are those that it holds of the ``places`` it has."""

    name: str
    places: int
    calls: int = 0
    deserted: asyncio.Event = field(default_factory=asyncio.Event)

    def room(self) -> int:
        return self.places - self.calls

    async def serve(self, connection: socket.socket) -> None:
        self.calls += 1
        connection.setblocking(False)
        with connection:
            await asyncio.get_running_loop().sock_sendall(connection, self.name.encode())

    @asynccontextmanager
    async def working(self, dispatcher: Dispatcher) -> AsyncIterator[Worker]:
        async with arriving(dispatcher.open_desk(), self.serve, self.room, self.deserted.set):
            yield self


@asynccontextmanager
async def dispatching() -> AsyncIterator[tuple[Dispatcher, int]]:
    with listen("127.0.0.1", 0) as listener:
        dispatcher = Dispatcher(listener)
        accepting = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher, listener.getsockname()[1]
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


async def served_by(port: int) -> str:
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        name = await reader.read()
        writer.close()
    return name.decode()


async def both_known(port: int, *names: str) -> None:
    """Wait until each of these has been given a connection; only those who have said what room they have are."""
    missing = set(names)
    while missing:
        missing.discard(await served_by(port))


async def test_whoever_has_more_room_gets_more() -> None:
    async with dispatching() as (dispatcher, port), Worker("small", 40).working(dispatcher) as small:
        assert await served_by(port) == "small"
        async with Worker("large", 200).working(dispatcher) as large:
            await both_known(port, "large")
            before = small.calls, large.calls
            told = await asyncio.gather(*(served_by(port) for _ in range(60)))

            assert set(told) == {"large"}
            assert (small.calls, large.calls) == (before[0], before[1] + 60)


async def test_a_burst_is_spread_although_nobody_has_counted_it_yet() -> None:
    async with (
        dispatching() as (dispatcher, port),
        Worker("a", 1_000).working(dispatcher) as a,
        Worker("b", 1_000).working(dispatcher) as b,
    ):
        await both_known(port, "a", "b")
        await asyncio.gather(*(served_by(port) for _ in range(40)))

        # A busy machine may let the word on a room come later than it is waited for.
        assert abs(a.calls - b.calls) <= 20


async def test_where_nobody_has_room_somebody_still_answers() -> None:
    async with dispatching() as (dispatcher, port), Worker("full", 0).working(dispatcher):
        assert await served_by(port) == "full"


async def test_connections_wait_for_the_first_worker() -> None:
    async with dispatching() as (dispatcher, port):
        waiting = asyncio.create_task(served_by(port))
        await asyncio.sleep(0)
        async with Worker("late", 1).working(dispatcher):
            assert await waiting == "late"


async def test_the_others_go_on_for_a_worker_that_has_gone() -> None:
    async with dispatching() as (dispatcher, port), Worker("stays", 1).working(dispatcher):
        async with Worker("goes", 100).working(dispatcher):
            await both_known(port, "goes")
        assert [await served_by(port) for _ in range(3)] == ["stays"] * 3


async def test_a_connection_outlives_the_process_that_accepted_it() -> None:
    near, far = socket.socketpair()
    worker = Worker("orphan", 1)
    with listen("127.0.0.1", 0) as listener:
        async with arriving(far, worker.serve, worker.room, worker.deserted.set):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
            accepted, _ = listener.accept()
            with accepted, near:
                socket.send_fds(near, [b"c"], [accepted.fileno()])
            async with asyncio.timeout(PATIENCE_S):
                await worker.deserted.wait()
                assert await reader.read() == b"orphan"
            writer.close()


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=6))
def test_the_first_choice_has_no_less_room_than_any_other(desks: list[tuple[int, int]]) -> None:
    now_s = monotonic()
    near, far = socket.socketpair()
    with near, far:
        waiting = [Desk(near, room) for room, _ in desks]
        for desk, (_, given_now) in zip(waiting, desks, strict=True):
            desk.given.extend([now_s] * given_now)

        first, *others = by_room(waiting, now_s)

        assert all(first.free(now_s) >= other.free(now_s) for other in others)
        assert all(desk.free(now_s + SETTLING_SECONDS * 2) == desk.room for desk in waiting)


@pytest.mark.parametrize(
    "pieces", [[b"\x00\x00\x00\x05"], [b"\x00\x00", b"\x00\x05"], [b"\x00\x00\x00\x01\x00\x00\x00\x05"]]
)
async def test_the_newest_word_on_a_workers_room_counts_however_it_comes(pieces: list[bytes]) -> None:
    loop = asyncio.get_running_loop()
    async with dispatching() as (dispatcher, port):
        far, received = dispatcher.open_desk(), asyncio.Event()
        far.setblocking(False)
        loop.add_reader(far, received.set)
        for piece in pieces:
            await loop.sock_sendall(far, piece)
            await asyncio.sleep(0)
        waiting = asyncio.create_task(served_by(port))
        async with asyncio.timeout(PATIENCE_S):
            await received.wait()
        loop.remove_reader(far)
        _, (descriptor, *_), _, _ = socket.recv_fds(far, 1, 1)
        with far, socket.socket(fileno=descriptor) as connection:
            connection.sendall(b"five")
        assert await waiting == "five"

"""The short way for audio: the same messages in the same order as by the book, however the bytes were cut."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from api.call_sockets import StarletteCallSocket
from infra.http_server import serving
from infra.listening import listen
from tests.patience import PATIENCE_S


@dataclass
class Peer:
    """The application's side of one connection: ``straight`` came the short way, ``seen`` is everything, in order."""

    picky: Callable[[bytes], bool] = lambda data: True
    socket: StarletteCallSocket | None = None
    straight: int = 0
    seen: list[bytes | str] = field(default_factory=list)
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, data: bytes) -> bool:
        if not self.picky(data):
            return False
        self.straight += 1
        self.seen.append(data)
        return True

    async def hold(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.socket = StarletteCallSocket(websocket, 1 << 20)
        self.socket.deliver(self.take)
        self.accepted.set()
        while (message := await self.socket.receive()) is not None:
            self.seen.append(message)
        self.gone.set()


@asynccontextmanager
async def serving_peer(peer: Peer) -> AsyncIterator[int]:
    app = FastAPI()
    app.add_api_websocket_route("/", peer.hold)
    listener = listen("127.0.0.1", 0)
    async with serving(app, listener):
        yield listener.getsockname()[1]


@asynccontextmanager
async def connected(peer: Peer) -> AsyncIterator[ClientConnection]:
    async with serving_peer(peer) as port, connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
        await peer.accepted.wait()
        yield client


async def finish(client: ClientConnection, peer: Peer) -> None:
    await client.close()
    async with asyncio.timeout(PATIENCE_S):
        await peer.gone.wait()


async def test_audio_goes_straight_and_everything_keeps_its_order() -> None:
    peer = Peer()
    async with connected(peer) as client:
        sent: list[bytes | str] = []
        for number in range(40):
            message: bytes | str = f"text {number}" if number % 7 == 3 else bytes([number]) * (20 * number)
            sent.append(message)
            await client.send(message)
        await client.ping()
        await finish(client, peer)
    assert peer.seen == sent
    assert peer.straight > 0


async def test_what_the_call_does_not_take_comes_by_the_book_with_all_behind_it() -> None:
    peer = Peer(picky=lambda data: data != b"odd")
    async with connected(peer) as client:
        for message in (b"one", b"odd", b"two", b"three"):
            await client.send(message)
        await finish(client, peer)
    assert peer.seen == [b"one", b"odd", b"two", b"three"]


@pytest.mark.parametrize("size", [0, 125, 126, 640, 65_535, 65_536, 300_000])
async def test_messages_of_every_length_come_through_both_ways(size: int) -> None:
    peer = Peer()
    data = os.urandom(size)
    async with connected(peer) as client:
        await client.send(data)
        await client.send(b"after")
        assert peer.socket is not None
        assert peer.socket.send_now(data)
        assert peer.socket.send_now("é" * size)
        assert await client.recv() == data
        assert await client.recv() == "é" * size
        await finish(client, peer)
        assert not peer.socket.send_now(b"too late")
    assert peer.seen == [data, b"after"]


async def test_a_message_in_fragments_is_one_message_and_a_ping_within_it_is_answered() -> None:
    peer = Peer()
    async with connected(peer) as client:

        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b"a" * 100, b"b" * 100, b"c"):
                yield piece
                await (await client.ping())

        await client.send(pieces())
        await client.send(b"whole")
        await finish(client, peer)
    assert peer.seen == [b"a" * 100 + b"b" * 100 + b"c", b"whole"]


async def test_frames_may_be_cut_anywhere_by_the_network() -> None:
    chance = random.Random(5)
    sent: list[bytes | str] = []
    stream = b""
    for _ in range(60):
        data = chance.randbytes(chance.choice((0, 1, 125, 126, 640, 2_000)))
        text = chance.random() < 0.2
        sent.append(data.hex() if text else data)
        payload = data.hex().encode() if text else data
        stream += Frame(Opcode.TEXT if text else Opcode.BINARY, payload).serialize(mask=True)
    for _ in range(5):
        peer = Peer()
        async with serving_peer(peer) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            place = 0
            while place < len(stream):
                size = chance.choice((1, 2, 3, 7, 640, 5_000))
                writer.write(stream[place : place + size])
                await writer.drain()
                await asyncio.sleep(0)
                place += size
            writer.write(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
            async with asyncio.timeout(PATIENCE_S):
                await peer.gone.wait()
            writer.close()
        assert peer.seen == sent


async def test_frames_without_a_mask_and_unknown_opcodes_close_the_connection() -> None:
    for bad in (Frame(Opcode.BINARY, bytes(640)).serialize(mask=False), b"\x83\x80\x00\x00\x00\x00"):
        peer = Peer()
        async with connected(peer) as client:
            client.transport.write(bad)
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1002
            async with asyncio.timeout(PATIENCE_S):
                await peer.gone.wait()
        assert peer.seen == []


async def test_a_client_that_does_not_read_is_not_written_to_without_end() -> None:
    peer = Peer()
    async with connected(peer) as client:
        client.transport.pause_reading()
        assert peer.socket is not None
        for _ in range(10_000):
            if not peer.socket.send_now(bytes(6_400)):
                break
            await asyncio.sleep(0)
        else:
            pytest.fail("64 MB were taken for a client that reads nothing")
        client.transport.abort()
